/**
 * Source: a server outside the system that has lines to give.
 *
 * A source makes lines as time passes, keeps those that nobody has taken, and gives them to its newest connection. It knows what
 * became of each line: given on a connection, then taken by a `store` (which is what the engine answers for), or lost on the
 * way because the connection or its node was gone. Lines are unique: a name, a number, and a few words.
 *
 * One that `acknowledges` keeps what was not acknowledged, and gives it again to the next connection; an acknowledgement counts
 * whoever it comes from, also from a receiver that was given up.
 */
import { Deferred, Effect, type Scope } from "effect"
import type { StreamId } from "../../../core/protocol/Ids.ts"
import type { Faults } from "../../../adapters/simulation/faults/Faults.ts"
import type { Chance } from "../../../adapters/simulation/kernel/Chance.ts"
import type { Node } from "../../../adapters/simulation/kernel/Node.ts"
import type { World } from "../../../adapters/simulation/kernel/World.ts"

export interface SourceOptions {
  readonly world: World
  readonly name: StreamId
  /** Lines that come at once, at most. */
  readonly burst: number
  /** Milliseconds between bursts, at most. */
  readonly gapMillis: number
  readonly acknowledges: boolean
  readonly faults: Faults
  /** Which attempt of the stream's receiver a node runs now. */
  readonly attemptAt: (node: Node) => number
}

/** What one attempt of a receiver gave to `store`, in order. */
export interface Taken {
  readonly stream: StreamId
  readonly attempt: number
  readonly executor: string
  /** Given one by one, to be cut into blocks. */
  readonly lines: Array<string>
  /** Given together, each to be a block of its own. */
  readonly calls: Array<Call>
}

export interface Call {
  readonly lines: ReadonlyArray<string>
  /** `stored`: it returned, so its block is safe. `failed`, `interrupted`: there may be a block, or none. */
  state: "open" | "stored" | "failed" | "interrupted"
}

export interface Connection {
  /** Waits for lines; undefined: the source has closed the connection. */
  readonly take: Effect.Effect<ReadonlyArray<string> | undefined>
  /** Fails when the connection breaks, whatever is being done. */
  readonly broken: Effect.Effect<never, SourceFailure>
  readonly taken: Taken
  /** These need not be given again. */
  readonly acknowledge: (lines: ReadonlyArray<string>) => void
}

export class SourceFailure extends Error {}

/** Legal, but not what one thinks of. */
const malformed = [
  "__proto__ constructor",
  "toString hasOwnProperty",
  "\u0000 \ufeff",
  "\u{1f4a5}\u0301 \u202e",
  "NaN -0 1e999"
]

const oversizeCharacters = 9000

const words = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"]

/** Lines, or the end of them. */
type Arrival = ReadonlyArray<string> | undefined

interface Open {
  readonly node: Node
  /** Given, and not acknowledged. */
  unacknowledged: ReadonlyArray<string>
  /** Lines on their way, oldest first: none overtake others, also where the node was paused. */
  readonly underWay: Array<ReadonlyArray<string>>
  readonly push: (arrival: Arrival) => void
  readonly break: () => void
}

export class Source {
  readonly name: StreamId
  readonly acknowledges: boolean
  readonly taken: Array<Taken> = []
  readonly acknowledged = new Set<string>()
  made = 0
  private readonly options: SourceOptions
  private readonly chance: Chance
  private readonly open: Array<Open> = []
  private backlog: Array<string> = []
  private closedUntil = 0
  private breakWithLines: "receiverFailure" | "sourceClosed" | undefined

  constructor(options: SourceOptions) {
    this.options = options
    this.name = options.name
    this.acknowledges = options.acknowledges
    this.chance = options.world.chance.split(`source ${options.name}`)
    this.makeLines()
  }

  private makeLines(): void {
    const { faults } = this.options
    for (let i = this.chance.below(this.options.burst + 1); i > 0; i--) {
      if (faults.strikes("sourceGap")) this.made += faults.chanceOf("sourceGap").between(1, 5)
      this.backlog.push(`${this.name}#${this.made++} ${this.text()}`.trim())
    }
    this.give()
    this.options.world.after(this.chance.between(1, this.options.gapMillis), undefined, () => this.makeLines())
  }

  private text(): string {
    const { faults } = this.options
    const text = Array.from({ length: this.chance.below(4) }, () => this.chance.pick(words)).join(" ")
    if (faults.strikes("malformedRecord")) return faults.chanceOf("malformedRecord").pick(malformed)
    return faults.strikes("oversizeRecord") ? `${"long".repeat(oversizeCharacters / 4)} ${text}` : text
  }

  private give(): void {
    const newest = this.open.at(-1)
    if (newest === undefined || this.backlog.length === 0) return
    const lines = this.backlog
    this.backlog = []
    if (this.options.acknowledges) newest.unacknowledged = [...newest.unacknowledged, ...lines]
    const millis = this.chance.below(8) / 4
    newest.underWay.push(lines)
    newest.node.after(millis, () => newest.push(newest.underWay.shift()))
    if (this.breakWithLines === undefined) return
    this.breakNow(newest, this.breakWithLines, millis + this.chance.below(20) / 4)
    this.breakWithLines = undefined
  }

  /** Breaks the newest connection, half of the time only when it has been given lines; false if there is none. */
  break(how: "receiverFailure" | "sourceClosed"): boolean {
    const newest = this.open.at(-1)
    if (newest === undefined || newest.node.state === "Dead") return false
    if (this.chance.coin(0.5)) this.breakWithLines = how
    else this.breakNow(newest, how, 0)
    return true
  }

  /** Takes no connections for a while, and breaks those that there are; false if there are none. */
  close(millis: number): boolean {
    const newest = this.open.at(-1)
    if (newest === undefined || newest.node.state === "Dead") return false
    this.closedUntil = this.options.world.now + millis
    for (const open of this.open) this.breakNow(open, "receiverFailure", 0)
    return true
  }

  private breakNow(open: Open, how: "receiverFailure" | "sourceClosed", millis: number): void {
    open.node.after(millis, () => how === "sourceClosed" ? open.push(undefined) : open.break())
  }

  /** A connection from a node, for as long as the scope. */
  connect(node: Node): Effect.Effect<Connection, SourceFailure, Scope.Scope> {
    const accepted = Effect.suspend(() =>
      this.options.world.now < this.closedUntil
        ? Effect.fail(new SourceFailure(`source "${this.name}" takes no connections just now`))
        : Effect.succeed(this.accept(node))
    )
    return Effect.map(
      Effect.acquireRelease(accepted, ({ open }) => Effect.sync(() => this.closed(open))),
      ({ connection }) => connection
    )
  }

  private closed(open: Open): void {
    const index = this.open.indexOf(open)
    if (index >= 0) this.open.splice(index, 1)
    this.takeBack(open)
    this.give()
  }

  /** What was not acknowledged is given again, in order. */
  private takeBack(open: Open): void {
    const back = open.unacknowledged
    open.unacknowledged = []
    if (back.length > 0) this.backlog = [...back, ...this.backlog].sort((a, b) => numberOf(a) - numberOf(b))
  }

  private acknowledge(lines: ReadonlyArray<string>): void {
    for (const line of lines) this.acknowledged.add(line)
    const waits = (line: string) => !this.acknowledged.has(line)
    this.backlog = this.backlog.filter(waits)
    for (const open of this.open) open.unacknowledged = open.unacknowledged.filter(waits)
  }

  private accept(node: Node): { readonly open: Open; readonly connection: Connection } {
    const arrived: Array<Arrival> = []
    let wake: (() => void) | undefined
    const broken = Deferred.makeUnsafe<never, SourceFailure>()
    const failure = new SourceFailure(`source "${this.name}" broke the connection`)
    const open: Open = {
      node,
      unacknowledged: [],
      underWay: [],
      push: (arrival) => {
        arrived.push(arrival)
        wake?.()
      },
      break: () => Deferred.doneUnsafe(broken, Effect.fail(failure))
    }
    // A node that died closed nothing: its connections are found dead when the next one comes.
    for (const other of this.open.filter((it) => it.node.state === "Dead")) this.closed(other)
    for (const other of this.open) this.takeBack(other)
    this.open.push(open)
    this.give()
    const take = Effect.callback<Arrival>((resume) => {
      wake = () => {
        if (arrived.length === 0) return
        wake = undefined
        resume(Effect.succeed(arrived.shift()))
      }
      wake()
    })
    const acknowledge = (lines: ReadonlyArray<string>) => this.acknowledge(lines)
    return { open, connection: { take, broken: Deferred.await(broken), taken: this.takenBy(node), acknowledge } }
  }

  private takenBy(node: Node): Taken {
    const attempt = this.options.attemptAt(node)
    const known = this.taken.find((it) => it.attempt === attempt && it.executor === node.name)
    if (known !== undefined) return known
    const taken: Taken = { stream: this.name, attempt, executor: node.name, lines: [], calls: [] }
    this.taken.push(taken)
    return taken
  }
}

/** Lines of a source are numbered in order; numbers may be left out. */
export const numberOf = (line: string): number => Number(line.slice(line.indexOf("#") + 1).split(" ", 1)[0])
