/**
 * simulate finds what is wrong with users' programs, repeats it, and finds nothing where nothing is wrong.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { simulate, type Simulated, type SimulateOptions } from "../../adapters/testing/mod.ts"
import { DStream, Sink, StreamingApp } from "../../core/mod.ts"
import { it } from "../kit.ts"

/** A table outside the program. */
class Table {
  readonly rows: Array<string> = []
  readonly commitIds = new Set<string>()
}

const inputs = { lines: Array.from({ length: 60 }, (_, i) => `line ${i}`) }

const timeout = 120_000

type Call = Simulated<typeof inputs, Table>["call"]

/** Inserts what it is given, whatever is there. */
const naive = (table: Table, call: Call) =>
  Sink.idempotent({
    name: "table",
    prepare: (rows: ReadonlyArray<string>) => Effect.succeed(rows),
    commit: (_, prepared) => call("insert", Effect.sync(() => table.rows.push(...prepared.flat())))
  })

/** Remembers the commit id with the rows. */
const remembering = (table: Table, call: Call) =>
  Sink.idempotent({
    name: "table",
    prepare: (rows: ReadonlyArray<string>) => Effect.succeed(rows),
    commit: ({ commitId }, prepared) =>
      call(
        "insert",
        Effect.sync(() => {
          if (table.commitIds.has(commitId)) return
          table.commitIds.add(commitId)
          table.rows.push(...prepared.flat())
        })
      )
  })

const optionsOf = (sink: typeof remembering): SimulateOptions<typeof inputs, Table> => ({
  inputs,
  outside: () => new Table(),
  app: ({ call, inputs, outside }) =>
    StreamingApp.make({
      name: "Copy",
      batchDuration: "1 second",
      outputs: [
        inputs.lines.pipe(
          DStream.map((line) => line.toUpperCase()),
          DStream.toSink(sink(outside, call), { name: "copy" })
        )
      ],
      settings: { checkpointDirectory: "checkpoints" }
    }),
  atEnd: ({ rows }, { lines }) => assert.deepEqual(rows.toSorted(), lines.map((line) => line.toUpperCase()).sort())
})

const right = optionsOf(remembering)

it.live(
  "a sink that forgets what it committed is found within 20 seeds, and its run is the same when it is repeated",
  () =>
    Effect.gen(function* () {
      const found = yield* simulate({ ...optionsOf(naive), seeds: 20 })
      assert.ok(found._tag === "Failed")
      const { events, failures, message, replay } = found
      assert.match(failures[0]!, /^at the end: AssertionError: /)
      assert.ok(events.some(({ kind }) => kind === "Fault"))
      assert.match(message, new RegExp(`^Seed ${replay.seed} failed, after ${replay.seed} that passed:`))
      assert.ok(message.includes(`simulate({ ...options, seed: ${replay.seed}, batches: ${replay.batches}, only: `))
      const again = yield* simulate({ ...optionsOf(naive), ...replay })
      assert.ok(again._tag === "Failed")
      assert.deepEqual(again, { ...found, passed: 0, message: again.message })
      const passed = yield* simulate({ ...right, seeds: replay.seed + 1 })
      assert.equal(passed._tag, "Passed", passed.message)
      const underTheSame = yield* simulate({ ...right, ...replay })
      assert.equal(underTheSame._tag, "Passed", underTheSame.message)
    }),
  { timeout }
)

it.live("what has to hold always ends the run as soon as a call broke it", () =>
  Effect.gen(function* () {
    const always = ({ rows }: Table) => {
      if (new Set(rows).size < rows.length) throw new Error("a row is there twice")
    }
    const found = yield* simulate({ ...optionsOf(naive), seeds: 20, always })
    assert.ok(found._tag === "Failed")
    assert.match(found.failures[0]!, /^after insert of driver\S*: Error: a row is there twice$/)
    assert.equal(found.events.at(-1)?.kind, "CallDone")
  }), { timeout })

it.live(
  "a program with states of two sources that commits what it knows of each batch has it right in the end",
  () =>
    Effect.gen(function* () {
      const report = yield* simulate({
        seeds: 8,
        inputs: {
          orders: Array.from({ length: 40 }, (_, i) => ({ user: `user ${i % 3}`, amount: i })),
          refunds: Array.from({ length: 20 }, (_, i) => ({ user: `user ${i % 2}`, amount: i }))
        },
        outside: () => new Map<string, number>(),
        app: ({ call, inputs: { orders, refunds }, outside: balances }) => {
          const kept = orders.pipe(
            DStream.mapToPair(({ amount, user }): [string, number] => [user, amount]),
            DStream.union(refunds.pipe(DStream.mapToPair(({ amount, user }): [string, number] => [user, -amount]))),
            DStream.updateStateByKey((values, sum: number | undefined) => values.reduce((a, b) => a + b, sum ?? 0)),
            DStream.checkpoint("2 seconds")
          )
          const sink = Sink.idempotent({
            name: "balances",
            prepare: (rows: ReadonlyArray<readonly [string, number]>) => Effect.succeed(rows),
            commit: (_, prepared) =>
              call("put", Effect.sync(() => prepared.flat().forEach(([user, sum]) => balances.set(user, sum))))
          })
          return StreamingApp.make({
            name: "Balances",
            batchDuration: "1 second",
            outputs: [kept.pipe(DStream.toSink(sink, { name: "balances" }))],
            settings: { checkpointDirectory: "checkpoints" }
          })
        },
        atEnd: (balances, { orders, refunds }) => {
          const expected = new Map<string, number>()
          for (const { amount, user } of orders) expected.set(user, (expected.get(user) ?? 0) + amount)
          for (const { amount, user } of refunds) expected.set(user, (expected.get(user) ?? 0) - amount)
          assert.deepEqual(new Map([...balances].sort()), new Map([...expected].sort()))
        }
      })
      assert.equal(report._tag, "Passed", report.message)
      const crashes = ["crashInStep", "crashAfterStep", "crashInSnapshot"] as const
      assert.ok(crashes.some((kind) => report.struck[kind] !== undefined))
    }),
  { timeout }
)

it.live(
  "a program without a checkpoint directory loses executors, but never its driver",
  () =>
    Effect.gen(function* () {
      const report = yield* simulate({
        seeds: 8,
        inputs,
        outside: () => new Set<string>(),
        app: ({ call, inputs: { lines }, outside }) =>
          StreamingApp.make({
            name: "Set",
            batchDuration: "1 second",
            outputs: [
              lines.pipe(
                DStream.foreachPartition((rows) =>
                  call("add", Effect.sync(() => rows.forEach((row) => outside.add(row))))
                )
              )
            ]
          }),
        atEnd: (outside, { lines }) => assert.deepEqual([...outside].sort(), lines.toSorted())
      })
      assert.equal(report._tag, "Passed", report.message)
      assert.ok(report.struck.executorCrash! > 0)
      assert.equal(report.struck.driverCrash, undefined)
    }),
  { timeout }
)

it.live("only faults strike that are asked for", () =>
  Effect.gen(function* () {
    const report = yield* simulate({ ...right, seeds: 3, faults: ["driverCrash", "sinkFailsAfter"] })
    assert.equal(report._tag, "Passed", report.message)
    const others = Object.keys(report.struck).filter((kind) => !/^(left\..*|driverCrash|sinkFailsAfter)$/.test(kind))
    assert.deepEqual(others, [])
    assert.ok(report.struck.driverCrash! > 0)
  }), { timeout })

it.live("a program that awaits a promise of the host is told so", () =>
  Effect.gen(function* () {
    const awaiting: typeof remembering = (table, call) => ({
      ...remembering(table, call),
      prepare: (rows) => Effect.promise(() => Promise.resolve(rows))
    })
    const report = yield* simulate({ ...optionsOf(awaiting), seed: 0, faults: [] })
    assert.ok(report._tag === "Failed")
    assert.match(report.failures.join("\n"), /resumed by a native promise, timer or callback/)
  }), { timeout })

it.live("an app that is not valid is no run", () =>
  Effect.gen(function* () {
    const app = () => StreamingApp.make({ name: "Nothing", batchDuration: "1 second", outputs: [] })
    const error = yield* Effect.flip(simulate({ ...right, app }))
    assert.equal(error._tag, "InvalidApp")
  }))

it.live("a fault that there is not is told: without it the test would try nothing", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(simulate({ ...right, faults: ["driverCrsh" as "driverCrash"] }))
    assert.match(error.message, /simulate: there is no fault "driverCrsh"; did you mean driverCrash\?/)
  }))
