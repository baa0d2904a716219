/**
 * The small program of the day: a receiver with its log, three kinds of state with snapshots, a window with an inverse, a sink.
 */
import { Effect } from "effect"
import { testReceiver } from "../../adapters/memory/TestReceiver.ts"
import { DStream, Sink, type State, StateSpec, StreamingApp } from "../../core/mod.ts"
import type { Receiver } from "../../core/receiving/Receiver.ts"

/** Words: that the receiver had, and that the sink was given. */
export interface Counts {
  received: number
  given: number
}

/** A word every 250 ms, for ever: of ten that come again and again, and between them one that is never seen again. */
const everyWord = (counts: Counts): Receiver<string, never, never> => ({
  ...testReceiver<string>([], { storageLevel: "MEMORY_AND_DISK", survives: "cold" }),
  onStart: Effect.fnUntraced(function* (store) {
    for (let i = 0;; i++) {
      if (!store.single(i % 2 === 0 ? `word ${i % 20}` : `once ${i}`)) yield* store.ready
      counts.received++
      yield* Effect.sleep(250)
    }
  })
})

const seen = StateSpec.make((_: string, one: number | undefined, state: State<number>) => {
  const sum = (state.getOrUndefined() ?? 0) + (one ?? 0)
  if (!state.isTimingOut()) state.update(sum)
  return sum
}).pipe(StateSpec.timeout("30 seconds", { sweep: "batch" }))

export const program = (counts: Counts) => {
  const words = DStream.fromInput<string, never, never>("words", {
    kind: "receiver",
    receiver: everyWord(counts),
    decode: undefined
  }, {})
  const ones = words.pipe(DStream.mapToPair((word) => [word, 1]))
  const sink = Sink.atLeastOnce({
    name: "count",
    prepare: (words: ReadonlyArray<string>) => Effect.succeed(words.length),
    commit: (_, prepared: ReadonlyArray<number>) =>
      Effect.sync(() => void (counts.given += prepared.reduce((sum, each) => sum + each, 0)))
  })
  const states = [
    ones.pipe(
      DStream.filter(([word]) => word.startsWith("word")),
      DStream.updateStateByKey((ones, sum: number | undefined) => ones.length + (sum ?? 0)),
      DStream.named("sums")
    ),
    ones.pipe(DStream.mapWithState(seen), DStream.named("seen"), DStream.stateSnapshots),
    ones.pipe(
      DStream.reduceByKeyAndWindow((a, b) => a + b, "30 seconds", "1 second", {
        inverse: (sum, left) => sum - left,
        filter: ([, count]) => count > 0
      }),
      DStream.named("last half minute")
    )
  ]
  return StreamingApp.make({
    name: "day",
    batchDuration: "1 second",
    outputs: [
      words.pipe(DStream.toSink(sink, { name: "words" })),
      ...states.map((state) => state.pipe(DStream.foreachBatch((batch) => batch.collect)))
    ]
  })
}
