/**
 * SimulatedReceiver: the receiver that reads from a `Source`, written as a user's would be, over Effects of its own node only. Its
 * form of `store` is one of the four. Of a source that acknowledges it acknowledges what is safe, then and only then.
 */
import { Effect } from "effect"
import type {
  Receiver,
  SourceRange,
  StorageLevel,
  Store,
  StoreError,
  StoreOptions,
  Survives
} from "../../../core/receiving/Receiver.ts"
import type { Node } from "../../../adapters/simulation/kernel/Node.ts"
import { type Call, type Connection, numberOf, type Source, SourceFailure, type Taken } from "./Source.ts"

export type StoreForm = "single" | "array" | "iterator" | "bytes"

export const storeForms: ReadonlyArray<StoreForm> = ["single", "array", "iterator", "bytes"]

export interface SimulatedReceiverOptions {
  readonly form: StoreForm
  readonly level: StorageLevel
  readonly survives: Survives | undefined
  /** It says which lines of the source a block holds. */
  readonly ranges: boolean
}

/** A receiver of a source's lines, as it runs on a node. */
export const receiverOf = (
  source: Source,
  node: Node,
  options: SimulatedReceiverOptions
): Receiver<string, SourceFailure, never> => ({
  name: `receiver of ${source.name}`,
  storageLevel: options.level,
  survives: options.survives,
  preferredHost: undefined,
  onStop: Effect.void,
  onStart: (store) =>
    Effect.gen(function* () {
      const connection = yield* source.connect(node)
      yield* Effect.raceFirst(receive(source, connection, store, options), connection.broken)
    })
})

const receive = Effect.fnUntraced(
  function* (source: Source, connection: Connection, store: Store<string>, options: SimulatedReceiverOptions) {
    const { acknowledge, take, taken } = connection
    const { form, ranges } = options
    while (true) {
      const arrived = yield* take
      if (arrived === undefined) return store.restart(`source "${source.name}" closed the connection`, undefined, 50)
      const mark = ranges ? store.highWaterMark(source.name) ?? -1 : -1
      const lines = arrived.filter((line) => numberOf(line) > mark)
      if (lines.length < arrived.length) acknowledge(arrived.filter((line) => numberOf(line) <= mark))
      if (lines.length === 0) continue
      if (form === "single") yield* storeSingly(store, taken, lines)
      else if (yield* storeTogether(store, taken, lines, form, ranges ? rangeOf(source, lines) : undefined)) {
        acknowledge(lines)
      } else if (source.acknowledges) {
        return yield* Effect.fail(new SourceFailure("what is not safe is asked for again"))
      }
    }
  }
)

const rangeOf = (source: Source, lines: ReadonlyArray<string>): SourceRange => ({
  source: source.name,
  from: numberOf(lines[0]!),
  to: numberOf(lines.at(-1)!)
})

const storeSingly = (store: Store<string>, taken: Taken, lines: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (const line of lines) {
      const goOn = store.single(line)
      taken.lines.push(line)
      if (!goOn) yield* store.ready
    }
  })

/** One block per call; what the engine refuses is gone, as the contract says. Whether it is safe. */
const storeTogether = (
  store: Store<string>,
  taken: Taken,
  lines: ReadonlyArray<string>,
  form: Exclude<StoreForm, "single">,
  range: SourceRange | undefined
): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    let call: Call | undefined
    const becomes = (state: Call["state"]) =>
      Effect.sync(() => {
        if (call !== undefined) call.state = state
      })
    // The call is noted within what an interruption is noticed by.
    const stored = Effect.suspend(() => {
      taken.calls.push(call = { lines, state: "open" })
      return storeAs(form, store, lines, { range })
    })
    return stored.pipe(
      Effect.andThen(becomes("stored")),
      Effect.as(true),
      Effect.catch((error: StoreError) =>
        becomes("failed").pipe(Effect.andThen(Effect.logWarning(error.message)), Effect.as(false))
      ),
      Effect.onInterrupt(() => becomes("interrupted"))
    )
  })

const storeAs = (
  form: Exclude<StoreForm, "single">,
  store: Store<string>,
  lines: ReadonlyArray<string>,
  options: StoreOptions
) => {
  switch (form) {
    case "array":
      return store.array(lines, options)
    case "iterator":
      return store.iterator(lines[Symbol.iterator](), options)
    case "bytes":
      return store.bytes(encodeLines(lines), lines.length, options)
  }
}

const encodeLines = (lines: ReadonlyArray<string>): Uint8Array => new TextEncoder().encode(lines.join("\n"))

export const decodeLines = (bytes: Uint8Array): ReadonlyArray<string> => new TextDecoder().decode(bytes).split("\n")
