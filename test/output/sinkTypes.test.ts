/**
 * Types of sinks: what is prepared, what may fail and what is needed are inferred; the guarantee stands in the type. The compiler is the
 * test (`npm run check`).
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Context, Effect, Schema } from "effect"
import * as Memory from "../../adapters/memory/mod.ts"
import * as File from "../../adapters/file/mod.ts"
import { DStream, Output, Sink, StreamingApp } from "../../core/mod.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Equal<A, B>) => {}

class Database
  extends Context.Service<Database, { readonly run: (sql: string) => Effect.Effect<number> }>()("test/Database") {}
class Refused extends Schema.TaggedError<Refused>()("Refused", { message: Schema.String }) {}
class Full extends Schema.TaggedError<Full>()("Full", { message: Schema.String }) {}

const words = Memory.batches([["a", "b"]])
const full = new Full({ message: "the disk is full" })

test("a sink has the errors and requirements of its steps, and an output those of its stream too", () => {
  const sink = Sink.transactional({
    name: "table",
    prepare: (records: ReadonlyArray<string>, { commitId, partition }) =>
      Effect.gen(function* () {
        if (records.length > 10) return yield* Effect.fail(full)
        return { rows: records.length, commitId, partition }
      }),
    commit: ({ epoch, numPartitions }, prepared) =>
      Effect.gen(function* () {
        const database = yield* Database
        const rows = prepared.reduce((sum, { rows }) => sum + rows, 0)
        return yield* database.run(`insert ${rows + epoch + numPartitions}`)
      }),
    fence: ({ epoch }) => epoch > 1 ? Effect.fail(new Refused({ message: "no" })) : Effect.void
  })
  type Prepared = { rows: number; commitId: string; partition: number }
  same<typeof sink, Sink.Sink<string, Prepared, Full | Refused, Database, "transactional">>(true)
  const output = words.pipe(DStream.toSink(sink, { name: "out" }))
  same<typeof output, Output.Output<Full | Refused, Database>>(true)
  const app = StreamingApp.make({ name: "types", batchDuration: 100, outputs: [output] })
  same<typeof app, StreamingApp.StreamingApp<Full | Refused, Database>>(true)
  assert.equal(Output.guaranteeOf(output), "transactional")
})

test("a sink of its own partitions says so, and its guarantee", () => {
  const sink = Sink.perPartition({
    name: "posts",
    guarantee: "idempotent",
    write: (records: ReadonlyArray<string>, { commitId }) => Effect.log(`${commitId}: ${records.length}`)
  })
  same<typeof sink, Sink.PartitionSink<string, never, never, "idempotent">>(true)
  const output = words.pipe(DStream.toSink(sink))
  same<typeof output, Output.Output<never, never>>(true)
  assert.equal(Output.guaranteeOf(output), "idempotent")
})

test("what takes more takes less, and what takes something else does not compile", () => {
  const wide = File.sink("/tmp/x")
  const output = words.pipe(DStream.toSink(wide))
  same<typeof output, Output.Output<File.SaveError | Sink.Fenced>>(true)
  const numbers = Sink.atLeastOnce({
    name: "numbers",
    prepare: (records: ReadonlyArray<number>) => Effect.succeed(records.length),
    commit: () => Effect.void
  })
  // @ts-expect-error: strings are no numbers
  words.pipe(DStream.toSink(numbers))
  const exactly = <A>(sink: Sink.Sink<A, any, any, any, "transactional" | "idempotent">) => sink.guarantee
  assert.equal(exactly(wide), "transactional")
  // @ts-expect-error: at-least-once is less than what is asked for
  exactly(numbers)
  // @ts-expect-error: a transactional sink has to be fenced
  Sink.transactional({ name: "unfenced", prepare: () => Effect.void, commit: () => Effect.void })
  assert.equal(Output.guaranteeOf(words.pipe(DStream.print())), "at-least-once")
})

test("what is no sink is told where the program is loaded", () => {
  // @ts-expect-error: a function is no sink
  assert.throws(() => DStream.toSink(() => Effect.void), {
    message: /DStream\.toSink takes a sink, such as File\.sink.*was given a function/
  })
})

test("the text of a commit id belongs to one batch of one output of one app", () => {
  const ids = [
    Sink.commitIdOf({ app: "a", output: "b", time: 1 }),
    Sink.commitIdOf({ app: "a/b", output: "", time: 1 }),
    Sink.commitIdOf({ app: "a", output: "b/1", time: 1 }),
    Sink.commitIdOf({ app: "a%2Fb", output: "", time: 1 }),
    Sink.commitIdOf({ app: "a", output: "b", time: 1 }, 1),
    Sink.commitIdOf({ app: "a", output: "b", time: 11 })
  ]
  assert.deepEqual(ids, ["a/b/1", "a%2Fb//1", "a/b%2F1/1", "a%252Fb//1", "a/b/1/1", "a/b/11"])
  assert.equal(new Set(ids).size, ids.length)
})
