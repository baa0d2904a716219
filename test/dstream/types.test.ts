/**
 * Types are inferred all through a pipe without annotations; what must not compile is held by `@ts-expect-error`.
 * The compiler is the test (`npm run check`); running the file shows that building a program has no side effects.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Context, Effect, Layer, Schema } from "effect"
import * as Memory from "../../adapters/memory/mod.ts"
import { DStream, HashPartitioner, RDD, StreamingApp } from "../../core/mod.ts"

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

test("joins infer keys and values, and what an outer join may lack is null", () => {
  const lengths = lines.pipe(DStream.mapToPair((line) => [line, line.length]))
  const flags = lines.pipe(DStream.mapToPair((line) => [line, line === ""]))
  const grouped = lengths.pipe(DStream.cogroup(flags))
  same<typeof grouped, DStream.DStream<[string, [Array<number>, Array<boolean>]]>>(true)
  const inner = lengths.pipe(
    DStream.join(flags, { numPartitions: 3 }),
    DStream.mapValues(([length, flag]) => flag || length > 1)
  )
  same<typeof inner, DStream.DStream<[string, boolean]>>(true)
  const left = lengths.pipe(DStream.leftOuterJoin(flags))
  same<typeof left, DStream.DStream<[string, [number, boolean | null]]>>(true)
  const right = lengths.pipe(DStream.rightOuterJoin(flags))
  same<typeof right, DStream.DStream<[string, [number | null, boolean]]>>(true)
  const full = lengths.pipe(DStream.fullOuterJoin(flags))
  same<typeof full, DStream.DStream<[string, [number | null, boolean | null]]>>(true)
  const kept = full.pipe(DStream.persist("MEMORY_AND_DISK"), DStream.cache, DStream.unpersist)
  same<typeof kept, typeof full>(true)
  // @ts-expect-error: the keys are of different types
  lengths.pipe(DStream.join(lines.pipe(DStream.mapToPair((line) => [line.length, line]))))
  // @ts-expect-error: strings are no pairs
  lines.pipe(DStream.join(flags))
  // @ts-expect-error: there is no such level
  lines.pipe(DStream.persist("SOMEWHERE"))
})

test("transforms of several streams see each with its type, and have the errors and requirements of all", () => {
  const failing = lines.pipe(DStream.mapEffect((line) => line === "" ? Effect.fail(new Unknown()) : Effect.succeed(1)))
  const looked = lines.pipe(DStream.mapEffect((line) => Dictionary.use((dictionary) => dictionary.look(line))))
  const two = lines.pipe(
    DStream.transformWith(looked, (rdd, numbers) => RDD.union(numbers)(rdd.pipe(RDD.map((line) => line.length))))
  )
  same<typeof two, DStream.DStream<number, never, Dictionary>>(true)
  const all = DStream.transformAll(
    [lines, failing, looked],
    ([rdd, ones, lengths], { time }) =>
      RDD.keyBy((line: string) => line.length)(rdd).pipe(
        RDD.leftOuterJoin(RDD.keyBy((length: number) => length)(lengths)),
        RDD.mapValues(([line, length]) => line.slice(length ?? time)),
        RDD.join(ones.pipe(RDD.mapToPair((one) => [one, true])))
      )
  )
  same<typeof all, DStream.DStream<[number, [string, boolean]], Unknown, Dictionary>>(true)
})

test("what sorts and spreads inside transform keeps the records' type", () => {
  const sorted = lines.pipe(DStream.transform((rdd) =>
    rdd.pipe(
      RDD.sortBy((line) => line.length, { ascending: false }),
      RDD.distinct(),
      RDD.keyBy((line) => line.length),
      RDD.sortByKey(),
      RDD.sortByKey({ bounds: [3, 7] }),
      RDD.sortByKey({ compare: (a: number, b: number) => b - a }),
      RDD.partitionBy(HashPartitioner(2))
    )
  ))
  same<typeof sorted, DStream.DStream<[number, string]>>(true)
  lines.pipe(DStream.transform((rdd) =>
    rdd.pipe(
      RDD.keyBy((line) => line.length),
      // @ts-expect-error: the keys are numbers
      RDD.sortByKey({ compare: (a: string, b: string) => a.localeCompare(b) })
    )
  ))
})
