/**
 * A requiring `mapEffect` and `foreachPartition`: their service comes from the app's layer, which notes when it is built and
 * released. A word that the service does not know is its error.
 */
import { Context, Data, Effect, Layer } from "effect"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { collect, RUN } from "./collected.ts"
import { JOURNAL, note } from "./journal.ts"

class UnknownWord extends Data.TaggedError("UnknownWord")<{ readonly message: string }> {}

class Dictionary extends Context.Service<Dictionary, {
  readonly translate: (word: string) => Effect.Effect<string, UnknownWord>
  readonly note: (line: string) => Effect.Effect<void>
}>()("Dictionary") {}

const words: Readonly<Record<string, string>> = { one: "eins", two: "zwei", three: "drei", four: "vier" }

const layerOf = (journal: string) =>
  Layer.effect(Dictionary)(Effect.acquireRelease(
    Effect.sync(() => {
      note(journal, "builds")
      return Dictionary.of({
        translate: (word) =>
          words[word] === undefined
            ? Effect.fail(new UnknownWord({ message: `no word for ${word}` }))
            : Effect.as(Effect.yieldNow, words[word]),
        note: (line) => Effect.sync(() => note(journal, line))
      })
    }),
    () => Effect.sync(() => note(journal, "releases"))
  ))

export default Effect.gen(function* () {
  const run = yield* RUN
  const lists = [["one", "two", "three", "four"], ["four", "three", run === "fails" ? "nine" : "two", "one"]]
  const translated = Memory.batches(lists, 2).pipe(
    DStream.mapEffect((word) => Effect.flatMap(Dictionary, ({ translate }) => translate(word)), { concurrency: 2 }),
    DStream.named("translate")
  )
  return StreamingApp.make({
    name: "service",
    batchDuration: "100 millis",
    outputs: [
      translated.pipe(collect(run, "words")),
      translated.pipe(
        DStream.foreachPartition((records, { partition }) =>
          Effect.flatMap(Dictionary, (dictionary) => dictionary.note(`partition ${partition}: ${records}`))
        )
      )
    ],
    layer: layerOf(yield* JOURNAL)
  })
})
