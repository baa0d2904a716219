/**
 * Types are inferred all through a pipe without annotations; what must not compile is held by `@ts-expect-error`.
 * The compiler is the test (`npm run check`); running the file shows that building a program has no side effects.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Context, Effect, Layer, Schema } from "effect"
import * as Memory from "../../adapters/memory/mod.ts"
import { DStream, RDD, StreamingApp } from "../../core/mod.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Equal<A, B>) => {}

class Dictionary extends Context.Service<Dictionary, { readonly look: (word: string) => Effect.Effect<number> }>()(
  "test/Dictionary"
) {}
class Unknown extends Error {
  readonly _tag = "Unknown"
}

const StringList = Schema.Array(Schema.String)
const lines = Memory.batches([["to be or", "not to be"]])

test("the quick example needs no annotation", () => {
  const counts = lines.pipe(
    DStream.flatMap((line) => line.split(" ")),
    DStream.mapToPair((word) => [word, 1]),
    DStream.reduceByKey((a, b) => a + b)
  )
  same<typeof counts, DStream.DStream<[string, number]>>(true)
  const app = StreamingApp.make({ name: "types", batchDuration: "1 second", outputs: [counts.pipe(DStream.print())] })
  same<typeof app, StreamingApp.StreamingApp<never, never>>(true)
  assert.equal(app.batchMillis, 1000)
})

test("pair operations infer keys and values", () => {
  const pairs = lines.pipe(DStream.mapToPair((line) => [line.length, line]))
  same<typeof pairs, DStream.DStream<[number, string]>>(true)
  const grouped = pairs.pipe(DStream.groupByKey(), DStream.mapValues((values) => values.map((value) => value.length)))
  same<typeof grouped, DStream.DStream<[number, Array<number>]>>(true)
  const flat = pairs.pipe(DStream.flatMapValues((value) => value.split("")))
  same<typeof flat, DStream.DStream<[number, string]>>(true)
  const combined = pairs.pipe(
    DStream.combineByKey((value) => [value], (list, value) => [...list, value], (a, b) => [...a, ...b])
  )
  same<typeof combined, DStream.DStream<[number, Array<string>]>>(true)
  const counted = lines.pipe(DStream.countByValue())
  same<typeof counted, DStream.DStream<[string, number]>>(true)
  const reduced = lines.pipe(DStream.reduce((a, b) => a + b), DStream.union(lines.pipe(DStream.count)))
  same<typeof reduced, DStream.DStream<string | number>>(true)
})

test("a pair operation on a stream that holds no pairs does not compile", () => {
  // @ts-expect-error: strings are no pairs
  lines.pipe(DStream.reduceByKey((a, b) => a + b))
  // @ts-expect-error: numbers are no pairs
  lines.pipe(DStream.map((line) => line.length), DStream.groupByKey())
  assert.ok(lines)
})

test("an Effect's error and requirement show in the stream, the output and the app", () => {
  const looked = lines.pipe(
    DStream.mapEffect((line) =>
      Effect.gen(function* () {
        const dictionary = yield* Dictionary
        if (line === "") return yield* Effect.fail(new Unknown())
        return yield* dictionary.look(line)
      })
    )
  )
  same<typeof looked, DStream.DStream<number, Unknown, Dictionary>>(true)
  const output = looked.pipe(DStream.print())
  const needing = StreamingApp.make({ name: "types", batchDuration: 100, outputs: [output] })
  same<typeof needing, StreamingApp.StreamingApp<Unknown, Dictionary>>(true)
  const layer = Layer.succeed(Dictionary, { look: (word) => Effect.succeed(word.length) })
  const met = StreamingApp.make({ name: "types", batchDuration: 100, outputs: [output], layer })
  same<typeof met, StreamingApp.StreamingApp<Unknown, never>>(true)
  assert.equal(met.outputs.length, 1)
})

test("transform sees the records' type and the values of its side values", () => {
  const stop = DStream.sideValue(Effect.succeed(["the"]), StringList)
  const kept = lines.pipe(
    DStream.transform((rdd, batch) => rdd.pipe(RDD.filter((line) => !batch.sideValues.stop.includes(line))), {
      sideValues: { stop }
    })
  )
  same<typeof kept, DStream.DStream<string>>(true)
})
