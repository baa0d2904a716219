/**
 * World: a seeded virtual world. It owns time and chance, and runs every task of every node, one at a time, in this process.
 *
 * The protocol is one loop: while a task is ready, run one, chosen by the seed among all that are ready on nodes that run;
 * when none is ready, move time to the next due timers and make all of them ready. So time passes only when nobody has
 * anything left to do, and what is due at the same time runs in any order. A task is a turn of a fiber, the arrival of a
 * message, or an act of the world itself (a fault).
 *
 * Invariants: time never goes back; a task of a dead node never runs; a task of a paused node waits for the node, in order of
 * arrival; the same seed makes the same choices, whatever the platform.
 *
 * A run ends Done, Deadlock (nothing ready, nothing due), Livelock (too many steps without time passing), TimeLimit, or
 * Foreign: a fiber was resumed from outside, by a native promise, timer or callback, which the seed does not control. Each but
 * Done names the fibers that live.
 */
import { Chance } from "./Chance.ts"
import { eventLine, EventLog } from "./EventLog.ts"
import { Node, type NodeOptions } from "./Node.ts"
import { TimerQueue } from "./TimerQueue.ts"

export interface WorldOptions {
  readonly seed: number
  /** The time at which the world begins. */
  readonly startMillis?: number
  /** How often a fiber is preempted between two operations: a probability. */
  readonly preemption?: number
}

export interface RunOptions {
  /** Asked before every step; true ends the run. */
  readonly until: () => boolean
  readonly timeLimitMillis: number
  /** Steps without time passing that count as a livelock. */
  readonly stepsMax?: number
}

export type Outcome =
  | { readonly kind: "Done" }
  | { readonly kind: "Deadlock" | "Livelock" | "TimeLimit" | "Foreign"; readonly report: string }

export const defaultStart = Date.UTC(2026, 0, 1)
export const defaultStepsMax = 2_000_000

/** How many turns of the host's event loop a deadlock waits to see whether a promise was behind it. */
const foreignTurns = 20

interface Ready {
  readonly node: Node | undefined
  readonly run: () => void
}

export class World {
  readonly seed: number
  readonly preemption: number
  readonly chance: Chance
  readonly log = new EventLog()
  readonly nodes: Array<Node> = []
  /** Fibers that were resumed from outside the world. */
  readonly foreign: Array<string> = []
  readonly startMillis: number
  now: number
  steps = 0
  /** Whether a task of this world is running now. */
  stepping = false
  private readonly ready: Array<Ready> = []
  private readonly timers = new TimerQueue()
  private readonly choice: Chance
  private alarms: Array<{ readonly at: number; readonly act: () => void }> = []
  private nextAlarm = Infinity

  constructor(options: WorldOptions) {
    this.seed = options.seed
    this.startMillis = options.startMillis ?? defaultStart
    this.now = this.startMillis
    this.chance = new Chance(options.seed)
    this.choice = this.chance.split("choice")
    this.preemption = options.preemption ?? 0
  }

  /** A new node. Names are not used twice. */
  node(name: string, options: NodeOptions = {}): Node {
    if (this.nodes.some((node) => node.name === name)) {
      throw new Error(
        `The world already has a node "${name}"; give each node, also one that replaces another, its own name`
      )
    }
    const node = new Node(this, name, options)
    this.nodes.push(node)
    this.record(name, "NodeStarted", {})
    return node
  }

  nodeNamed(name: string): Node {
    const node = this.nodes.find((node) => node.name === name)
    if (node === undefined) throw new Error(`The world has no node "${name}"`)
    return node
  }

  record(node: string, kind: string, data: Readonly<Record<string, unknown>>, attached?: unknown): void {
    this.log.record({ at: this.now, node, kind, data, attached })
  }

  /** Makes a task ready; without a node it is the world's own. */
  enqueue(node: Node | undefined, run: () => void): void {
    if (node?.state === "Dead") return
    if (node?.state === "Paused") node.parked.push(run)
    else this.ready.push({ node, run })
  }

  /** Makes a task ready after some time; the answer cancels it. */
  after(millis: number, node: Node | undefined, run: () => void): () => void {
    return this.timers.add(this.now + Math.max(0, millis), () => this.enqueue(node, run))
  }

  /** Calls `act` between two steps, after so many more. */
  afterSteps(count: number, act: () => void): void {
    this.alarms.push({ at: this.steps + count, act })
    this.nextAlarm = Math.min(this.nextAlarm, this.steps + count)
  }

  /** Runs until `until` says so, or until nothing more can happen. */
  run(options: RunOptions): Outcome {
    const stepsMax = options.stepsMax ?? defaultStepsMax
    let still = 0
    while (!options.until()) {
      if (this.ready.length > 0) {
        if (++still > stepsMax) return this.stuck("Livelock", `no time has passed in ${stepsMax} steps`)
        this.step()
      } else {
        const at = this.timers.nextAt()
        if (at === undefined) return this.stuck("Deadlock", "nothing is ready and no timer is due")
        if (at > options.timeLimitMillis) {
          return this.stuck("TimeLimit", `the run was to end before ${options.timeLimitMillis}`)
        }
        this.advance(at)
        still = 0
      }
    }
    return { kind: "Done" }
  }

  /** As `run`; where it does not come to its end, says whether a promise of the host was being awaited. */
  async settle(options: RunOptions): Promise<Outcome> {
    const outcome = this.run(options)
    if (outcome.kind !== "Deadlock" && outcome.kind !== "TimeLimit") return outcome
    for (let turn = 0; turn < foreignTurns && this.foreign.length === 0; turn++) {
      await new Promise<void>((resolve) => setTimeout(resolve, 1))
    }
    if (this.foreign.length === 0) return outcome
    return this.stuck(
      "Foreign",
      `resumed by a native promise, timer or callback: ${
        this.foreign.join("; ")
      }. Nothing that is simulated may wait for these: ` +
        "use Effect's clock, and replace what is awaited by something that uses Effect only, such as a value outside the program"
    )
  }

  private step(): void {
    if (this.steps >= this.nextAlarm) this.ringAlarms()
    if (this.ready.length === 0) return
    const index = this.choice.below(this.ready.length)
    const task = this.ready[index]!
    const last = this.ready.pop()!
    if (index < this.ready.length) this.ready[index] = last
    if (task.node?.state === "Dead") return
    if (task.node?.state === "Paused") {
      task.node.parked.push(task.run)
      return
    }
    this.steps++
    this.log.mix(index)
    this.stepping = true
    try {
      task.run()
    } finally {
      this.stepping = false
    }
  }

  private ringAlarms(): void {
    const due = this.alarms.filter(({ at }) => at <= this.steps)
    this.alarms = this.alarms.filter(({ at }) => at > this.steps)
    this.nextAlarm = this.alarms.reduce((next, { at }) => Math.min(next, at), Infinity)
    for (const { act } of due) act()
  }

  private advance(at: number): void {
    this.now = at
    for (const wake of this.timers.takeDue(at)) wake()
  }

  private stuck(kind: Exclude<Outcome["kind"], "Done">, reason: string): Outcome {
    const fibers = this.nodes.flatMap((node) => node.fiberReport())
    const report = [
      `${kind} at ${this.now} ms, seed ${this.seed}: ${reason}.`,
      fibers.length === 0 ? "No fiber lives." : "Fibers that live:",
      ...fibers.map((line) => `  ${line}`),
      "Latest events:",
      ...this.log.latest(12).map(eventLine)
    ].join("\n")
    return { kind, report }
  }
}
