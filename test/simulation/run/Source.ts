/**
 * Source: a server outside the system that has lines to give, and the receiver that reads from it.
 *
 * A source makes lines as time passes, keeps those that nobody has taken, and gives them to its newest connection. It knows what
 * became of each line: given on a connection, then taken by a `store` (which is what the engine answers for), or lost on the
 * way because the connection or its node was gone. Lines are unique: a name, a number, and a few words.
 *
 * The receiver is written as a user's would be, over Effects of its own node only. Its form of `store` is one of the four.
 */
import { Deferred, Effect, type Scope } from "effect"
import type { StreamId } from "../../../core/protocol/Ids.ts"
import { type Receiver, type StorageLevel, type Store, StoreError } from "../../../core/receiving/Receiver.ts"
import type { Chance } from "../kernel/Chance.ts"
import type { Node } from "../kernel/Node.ts"
import type { World } from "../kernel/World.ts"

export type StoreForm = "single" | "array" | "iterator" | "bytes"

export const storeForms: ReadonlyArray<StoreForm> = ["single", "array", "iterator", "bytes"]

/** Those without `_2` lose blocks with their executor, those with `_2` only with both. */
export const storageLevels: ReadonlyArray<StorageLevel> = [
  "MEMORY_ONLY",
  "MEMORY_AND_DISK",
  "DISK_ONLY",
  "MEMORY_ONLY_2",
  "MEMORY_AND_DISK_2",
  "DISK_ONLY_2"
]

export interface SourceOptions {
  readonly world: World
  readonly name: StreamId
  /** Lines that come at once, at most. */
  readonly burst: number
  /** Milliseconds between bursts, at most. */
  readonly gapMillis: number
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
}

export class SourceFailure extends Error {}

const words = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"]

/** Lines, or the end of them. */
type Arrival = ReadonlyArray<string> | undefined

interface Open {
  readonly node: Node
  readonly push: (arrival: Arrival) => void
  readonly break: () => void
}

export class Source {
  readonly name: StreamId
  readonly taken: Array<Taken> = []
  made = 0
  private readonly options: SourceOptions
  private readonly chance: Chance
  private readonly open: Array<Open> = []
  private backlog: Array<string> = []
  private breakWithLines: "receiverFailure" | "sourceClosed" | undefined

  constructor(options: SourceOptions) {
    this.options = options
    this.name = options.name
    this.chance = options.world.chance.split(`source ${options.name}`)
    this.makeLines()
  }

  private makeLines(): void {
    for (let i = this.chance.below(this.options.burst + 1); i > 0; i--) {
      const text = Array.from({ length: this.chance.below(4) }, () => this.chance.pick(words)).join(" ")
      this.backlog.push(`${this.name}#${this.made++} ${text}`.trim())
    }
    this.give()
    this.options.world.after(this.chance.between(1, this.options.gapMillis), undefined, () => this.makeLines())
  }

  private give(): void {
    const newest = this.open.at(-1)
    if (newest === undefined || this.backlog.length === 0) return
    const lines = this.backlog
    this.backlog = []
    const millis = this.chance.below(8) / 4
    newest.node.after(millis, () => newest.push(lines))
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

  private breakNow(open: Open, how: "receiverFailure" | "sourceClosed", millis: number): void {
    open.node.after(millis, () => how === "sourceClosed" ? open.push(undefined) : open.break())
  }

  /** A connection from a node, for as long as the scope. */
  connect(node: Node): Effect.Effect<Connection, never, Scope.Scope> {
    return Effect.map(
      Effect.acquireRelease(Effect.sync(() => this.accept(node)), ({ open }) => Effect.sync(() => this.close(open))),
      ({ connection }) => connection
    )
  }

  private close(open: Open): void {
    const index = this.open.indexOf(open)
    if (index >= 0) this.open.splice(index, 1)
    this.give()
  }

  private accept(node: Node): { readonly open: Open; readonly connection: Connection } {
    const arrived: Array<Arrival> = []
    let wake: (() => void) | undefined
    const broken = Deferred.makeUnsafe<never, SourceFailure>()
    const failure = new SourceFailure(`source "${this.name}" broke the connection`)
    const open: Open = {
      node,
      push: (arrival) => {
        arrived.push(arrival)
        wake?.()
      },
      break: () => Deferred.doneUnsafe(broken, Effect.fail(failure))
    }
    // A node that died closed nothing: its connections are found dead when the next one comes.
    for (const other of this.open.filter((it) => it.node.state === "Dead")) this.close(other)
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
    return { open, connection: { take, broken: Deferred.await(broken), taken: this.takenBy(node) } }
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

export interface SimulatedReceiverOptions {
  readonly form: StoreForm
  readonly storageLevel: StorageLevel
}

/** A receiver of a source's lines, as it runs on a node. */
export const receiverOf = (
  source: Source,
  node: Node,
  options: SimulatedReceiverOptions
): Receiver<string, SourceFailure, never> => ({
  name: `receiver of ${source.name}`,
  storageLevel: options.storageLevel,
  preferredHost: undefined,
  onStop: Effect.void,
  onStart: (store) =>
    Effect.gen(function* () {
      const connection = yield* source.connect(node)
      yield* Effect.raceFirst(receive(source, connection, store, options.form), connection.broken)
    })
})

const receive = Effect.fnUntraced(
  function* (source: Source, { take, taken }: Connection, store: Store<string>, form: StoreForm) {
    while (true) {
      const lines = yield* take
      if (lines === undefined) return store.restart(`source "${source.name}" closed the connection`, undefined, 50)
      yield* form === "single" ? storeSingly(store, taken, lines) : storeTogether(store, taken, lines, form)
    }
  }
)

const storeSingly = (store: Store<string>, taken: Taken, lines: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (const line of lines) {
      const goOn = store.single(line)
      taken.lines.push(line)
      if (!goOn) yield* store.ready
    }
  })

/** One block per call; what the engine refuses is gone, as the contract says. */
const storeTogether = (
  store: Store<string>,
  taken: Taken,
  lines: ReadonlyArray<string>,
  form: Exclude<StoreForm, "single">
): Effect.Effect<void> =>
  Effect.suspend(() => {
    let call: Call | undefined
    const becomes = (state: Call["state"]) =>
      Effect.sync(() => {
        if (call !== undefined) call.state = state
      })
    // The call is noted within what an interruption is noticed by.
    const stored = Effect.suspend(() => {
      taken.calls.push(call = { lines, state: "open" })
      return storeAs(form, store, lines)
    })
    return stored.pipe(
      Effect.andThen(becomes("stored")),
      Effect.catch((error: StoreError) => Effect.andThen(becomes("failed"), Effect.logWarning(error.message))),
      Effect.onInterrupt(() => becomes("interrupted"))
    )
  })

const storeAs = (form: Exclude<StoreForm, "single">, store: Store<string>, lines: ReadonlyArray<string>) => {
  switch (form) {
    case "array":
      return store.array(lines)
    case "iterator":
      return store.iterator(lines[Symbol.iterator]())
    case "bytes":
      return store.bytes(encodeLines(lines), lines.length)
  }
}

const encodeLines = (lines: ReadonlyArray<string>): Uint8Array => new TextEncoder().encode(lines.join("\n"))

export const decodeLines = (bytes: Uint8Array): ReadonlyArray<string> => new TextDecoder().decode(bytes).split("\n")
