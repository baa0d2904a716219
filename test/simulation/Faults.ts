/**
 * Faults: what goes wrong in a simulated run, drawn from its seed, and the count of what struck.
 *
 * `FaultPlan` is the whole vocabulary. All of these are faults that must be survived. Faults of a rate strike messages, sleeps and
 * tasks as they come; faults of a number strike at moments of the run, each at the first chance from its moment on, for which
 * a victim is needed (an executor that lives, a receiver that is connected). A moment is a time and a number of steps after it,
 * so that a fault strikes in the middle of work and not only between batches.
 */
import { Effect } from "effect"
import type { ExecutorId } from "../../core/protocol/Ids.ts"
import type { NetworkFaults } from "./kernel/Network.ts"
import type { Chance } from "./kernel/Chance.ts"
import type { Node } from "./kernel/Node.ts"
import type { World } from "./kernel/World.ts"

/** Faults that strike at moments: how many of each. */
export interface MomentaryFaults {
  /** An executor dies: nothing of it runs on, what it held is gone; another one takes its place. */
  readonly executorCrash: number
  /** An executor stops for a while and then goes on: a long collection of garbage, a machine that sleeps. */
  readonly executorPause: number
  /** The same of the driver, so that ticks are missed. */
  readonly driverPause: number
  /** A receiver's own Effect fails. */
  readonly receiverFailure: number
  /** A receiver's source closes the connection. */
  readonly sourceClosed: number
  /** An executor dies while a state steps there. */
  readonly crashInStep: number
  /** An executor dies when it has stepped a state, and its readers are still to come. */
  readonly crashAfterStep: number
  /** An executor dies while it writes a snapshot. */
  readonly crashInSnapshot: number
}

/** Faults that strike what comes by: how likely. */
export interface FrequentFaults {
  /** A message takes much longer than others. */
  readonly messageDelay: number
  /** A message arrives twice. */
  readonly messageDuplicate: number
  /** A user's function holds its executor for long while a task runs. */
  readonly slowTask: number
  /** A user's function fails at a record; it is tried again. */
  readonly taskFailure: number
  /** A timer fires a millisecond early. */
  readonly earlyTimer: number
  /** A user's function throws in the middle of a state's step; it is tried again. */
  readonly stepFailure: number
  /** A snapshot cannot be written. */
  readonly snapshotFailure: number
  /** A snapshot takes longer to write than a batch takes to come. */
  readonly snapshotDelay: number
  /** A snapshot comes back damaged. */
  readonly snapshotDamage: number
}

export interface FaultPlan {
  readonly moments: MomentaryFaults
  readonly rates: FrequentFaults
  /** The longest extra delay of a message, pause, and slow task. */
  readonly delayMillisMax: number
  readonly pauseMillisMax: number
  readonly slowTaskMillisMax: number
}

export type FaultKind = keyof MomentaryFaults | keyof FrequentFaults

const statePhases = ["crashInStep", "crashAfterStep", "crashInSnapshot"] as const
const momentary = [
  ...["executorCrash", "executorPause", "driverPause", "receiverFailure", "sourceClosed"] as const,
  ...statePhases
]
const ofStates = ["stepFailure", "snapshotFailure", "snapshotDelay", "snapshotDamage"] as const
const frequent = [
  ...["messageDelay", "messageDuplicate", "slowTask", "taskFailure", "earlyTimer"] as const,
  ...ofStates
]

export type StatePhase = (typeof statePhases)[number]

/** Faults of states strike only programs that keep some. */
export const stateFaultKinds: ReadonlyArray<FaultKind> = [...statePhases, ...ofStates]

export const faultKinds: ReadonlyArray<FaultKind> = [...momentary, ...frequent]

const allOf = <K extends FaultKind, A>(names: ReadonlyArray<K>, value: (kind: K) => A): Record<K, A> =>
  Object.fromEntries(names.map((kind) => [kind, value(kind)])) as Record<K, A>

export const noFaults: FaultPlan = {
  moments: allOf(momentary, () => 0),
  rates: allOf(frequent, () => 0),
  delayMillisMax: 0,
  pauseMillisMax: 0,
  slowTaskMillisMax: 0
}

/** A fault of a number strikes at most so often in a run. */
const momentsMax: MomentaryFaults = {
  executorCrash: 4,
  executorPause: 3,
  driverPause: 2,
  receiverFailure: 4,
  sourceClosed: 4,
  crashInStep: 2,
  crashAfterStep: 2,
  crashInSnapshot: 2
}

/**
 * How likely each is at most, and how many milliseconds it may cost a message or a task on average: a run that is slower than
 * its batches come proves little.
 */
const ratesMax: FrequentFaults = {
  messageDelay: 0.05,
  messageDuplicate: 0.2,
  slowTask: 0.05,
  taskFailure: 0.02,
  earlyTimer: 0.2,
  stepFailure: 0.02,
  snapshotFailure: 0.1,
  snapshotDelay: 0.2,
  snapshotDamage: 0.7
}
const costMillisMax = { messageDelay: 8, slowTask: 12 }

/** Between three and six kinds of fault for a run; with states, up to four of theirs besides. */
export function drawFaults(chance: Chance, keepsState: boolean): FaultPlan {
  const common = faultKinds.filter((kind) => !stateFaultKinds.includes(kind))
  const kinds = new Set(chance.some(common, chance.between(3, 6)))
  if (keepsState) { for (const kind of chance.some(stateFaultKinds, chance.between(1, 4))) kinds.add(kind) }
  // A snapshot is read only after a loss.
  if (kinds.has("snapshotDamage")) kinds.add("crashAfterStep")
  const draw = <K extends FaultKind>(names: ReadonlyArray<K>, amount: (kind: K) => number): Record<K, number> =>
    allOf(names, (kind) => kinds.has(kind) ? amount(kind) : 0)
  const delayMillisMax = chance.pick([20, 200, 2000])
  const slowTaskMillisMax = chance.pick([50, 500, 3000])
  const rates = draw(frequent, (kind) => ratesMax[kind] * chance.between(2, 8) / 8)
  return {
    moments: draw(momentary, (kind) => chance.between(1, momentsMax[kind])),
    rates: {
      ...rates,
      messageDelay: Math.min(rates.messageDelay, costMillisMax.messageDelay / delayMillisMax),
      slowTask: Math.min(rates.slowTask, costMillisMax.slowTask / slowTaskMillisMax)
    },
    delayMillisMax,
    pauseMillisMax: chance.pick([100, 1500, 4000]),
    slowTaskMillisMax
  }
}

/** What faults strike: the parts of a run that can be hurt. */
export interface Victims {
  readonly executors: () => ReadonlyArray<{ readonly executor: ExecutorId; readonly node: Node }>
  readonly crash: (executor: ExecutorId) => boolean
  readonly driver: Node
  /** Breaks a connected receiver, if there is one. */
  readonly breakReceiver: (how: "receiverFailure" | "sourceClosed", chance: Chance) => boolean
}

/** A fault whose victim is not there is tried again after this. */
const retryMillis = 130

/** Between two failures of tasks: a task that fails too often fails its job, as it should. */
const taskFailureGapMillis = 1000

/** The longest that a snapshot is held up. */
const snapshotDelayMillisMax = 3000

export class Faults {
  readonly counts: Record<FaultKind, number>
  private readonly world: World
  private readonly plan: FaultPlan
  private readonly chance: Chance
  private readonly messages: Chance
  private readonly timers: Chance
  private readonly disks: Chance
  private over = false
  private lastTaskFailure = -Infinity
  /** Deaths that wait for an executor to be at that phase. */
  private readonly armed: Array<{ readonly phase: StatePhase; readonly victims: Victims }> = []

  constructor(world: World, plan: FaultPlan) {
    this.world = world
    this.plan = plan
    this.chance = world.chance.split("faults")
    this.messages = world.chance.split("message faults")
    this.timers = world.chance.split("timer faults")
    this.disks = world.chance.split("state faults")
    this.counts = Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as Record<FaultKind, number>
  }

  /** From now on nothing strikes. */
  end(): void {
    this.over = true
  }

  /** For the network: most messages take a few quarters of a millisecond. */
  readonly network: NetworkFaults = {
    delayMillis: () => {
      const usual = this.messages.below(12) / 4
      return this.strikes("messageDelay", this.messages)
        ? usual + this.messages.between(1, this.plan.delayMillisMax)
        : usual
    },
    duplicate: () => this.strikes("messageDuplicate", this.messages)
  }

  /** For the clocks. */
  readonly bendSleep = (millis: number): number =>
    millis > 1 && this.strikes("earlyTimer", this.timers) ? millis - 1 : millis

  /** A task has begun on a node. */
  taskBegins(node: Node): void {
    if (this.strikes("slowTask", this.chance)) node.pause(this.chance.between(1, this.plan.slowTaskMillisMax))
  }

  /** For users' functions: fails now and then. */
  readonly stumble: Effect.Effect<void, Error> = Effect.suspend(() =>
    this.failsTask("taskFailure") ? Effect.fail(new Error("a user's function stumbled")) : Effect.void
  )

  /** For users' functions in a step: throws now and then. */
  readonly trip = (): void => {
    if (this.failsTask("stepFailure")) throw new Error("a user's function tripped")
  }

  private failsTask(kind: "taskFailure" | "stepFailure"): boolean {
    const due = this.world.now - this.lastTaskFailure >= taskFailureGapMillis
    if (!due || !this.strikes(kind, this.chance)) return false
    this.lastTaskFailure = this.world.now
    return true
  }

  failsSnapshot(): boolean {
    return this.strikes("snapshotFailure", this.disks)
  }

  snapshotDelayMillis(): number {
    return this.strikes("snapshotDelay", this.disks) ? this.disks.between(1, snapshotDelayMillisMax) : 0
  }

  damagesSnapshot(): boolean {
    return this.strikes("snapshotDamage", this.disks)
  }

  /** An executor is at work on a state: whoever waits for that strikes a few steps later. */
  stateWork(phase: StatePhase, executor: ExecutorId): void {
    const index = this.armed.findIndex((it) => it.phase === phase)
    if (index < 0 || this.over) return
    const [{ victims }] = this.armed.splice(index, 1) as [(typeof this.armed)[number]]
    this.world.afterSteps(this.disks.below(40), () => {
      if (this.over) return
      if (victims.crash(executor)) this.struck(phase)
      else this.armed.push({ phase, victims })
    })
  }

  /** Lays the momentary faults over a stretch of the run. */
  schedule(
    victims: Victims,
    window: { readonly fromMillis: number; readonly millis: number; readonly batchMillis: number }
  ): void {
    for (const kind of momentary) {
      for (let i = 0; i < this.plan.moments[kind]; i++) {
        const { millis, steps } = this.drawMoment(window)
        this.world.after(
          millis,
          undefined,
          () => this.world.afterSteps(steps, () => this.strikeWhenPossible(kind, victims))
        )
      }
    }
  }

  /** Half of the moments lie in the work that follows a batch time. */
  private drawMoment({ fromMillis, millis, batchMillis }: Parameters<Faults["schedule"]>[1]) {
    const at = fromMillis + this.chance.below(millis * 4) / 4
    const inWork = this.chance.coin(0.5)
    const time = this.world.now + at
    const tick = Math.floor(time / batchMillis) * batchMillis
    return {
      millis: inWork ? Math.max(0, tick - this.world.now + this.chance.below(120) / 4) : at,
      steps: this.chance.below(inWork ? 100 : 10)
    }
  }

  private strikeWhenPossible(kind: keyof MomentaryFaults, victims: Victims): void {
    if (this.over) return
    const phase = statePhases.find((it) => it === kind)
    if (phase !== undefined) this.armed.push({ phase, victims })
    else if (this.hurt(kind, victims)) this.struck(kind)
    else this.world.after(retryMillis, undefined, () => this.strikeWhenPossible(kind, victims))
  }

  private hurt(kind: keyof MomentaryFaults, victims: Victims): boolean {
    const executors = victims.executors()
    const pause = () => this.chance.between(1, this.plan.pauseMillisMax)
    switch (kind) {
      case "executorCrash":
        return executors.length > 0 && victims.crash(this.chance.pick(executors).executor)
      case "executorPause":
        if (executors.length > 0) this.chance.pick(executors).node.pause(pause())
        return executors.length > 0
      case "driverPause":
        victims.driver.pause(pause())
        return true
      case "receiverFailure":
      case "sourceClosed":
        return victims.breakReceiver(kind, this.chance)
      case "crashInStep":
      case "crashAfterStep":
      case "crashInSnapshot":
        throw new Error(`${kind} waits for its phase`)
    }
  }

  private strikes(kind: keyof FrequentFaults, chance: Chance): boolean {
    const strikes = !this.over && chance.coin(this.plan.rates[kind])
    if (strikes) this.struck(kind)
    return strikes
  }

  private struck(kind: FaultKind): void {
    this.counts[kind]++
    this.world.record("world", "Fault", { kind })
  }
}
