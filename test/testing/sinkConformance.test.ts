/**
 * The conformance kit: good sinks pass, and each of the mistakes that sinks make is told by a sentence that leads to it.
 */
import * as assert from "node:assert/strict"
import { Effect, Semaphore } from "effect"
import { Sink } from "../../core/mod.ts"
import { sinkConformance } from "../../adapters/testing/mod.ts"
import { it } from "../kit.ts"

/** A table with transactions, as a target: what is written in one is seen when it is committed, all at once. */
class Table {
  rows: Array<number> = []
  epoch = 0
  readonly commits = new Set<string>()
}

const tables = () => {
  const all = new Map<string, Table>()
  const of = (target: string): Table => {
    const table = all.get(target) ?? new Table()
    all.set(target, table)
    return table
  }
  return { of, read: (target: string) => Effect.sync(() => of(target).rows) }
}

const prepare = (records: ReadonlyArray<number>) => Effect.succeed(records)
const fenceOf = (table: Table) => (output: Sink.OutputContext) =>
  Effect.suspend(() => {
    if (table.epoch > output.epoch) return Effect.fail(Sink.Fenced.of(output, table.epoch))
    table.epoch = output.epoch
    return Effect.void
  })

const transactional = (table: Table) =>
  Sink.transactional({
    name: "table",
    prepare,
    fence: fenceOf(table),
    commit: (batch, prepared: ReadonlyArray<ReadonlyArray<number>>) =>
      Effect.suspend(() => {
        if (table.epoch > batch.epoch) return Effect.fail(Sink.Fenced.of(batch, table.epoch))
        if (table.commits.has(batch.commitId)) return Effect.void
        table.commits.add(batch.commitId)
        table.rows = [...table.rows, ...prepared.flat()]
        return Effect.void
      })
  })

const reportOf = (
  sink: (table: Table) => Sink.Sink<number, any, any, never> | Sink.PartitionSink<number, any, never>
) =>
  Effect.suspend(() => {
    const { of, read } = tables()
    return sinkConformance({ make: (target) => Effect.sync(() => sink(of(target))), read, record: (id) => id })
  })

it("a target that is not empty at first is told, in place of what looks as if the sink had done it", () =>
  Effect.gen(function* () {
    const { of, read } = tables()
    const make = () => Effect.sync(() => transactional(of("one for all")))
    const { failures } = yield* sinkConformance({ make, read: () => read("one for all"), record: (id) => id })
    assert.match(failures.join("\n"), /^before anything was committed, a target has records: give each name/)
    assert.equal(failures.length, 1)
  }))

it("a sink that keeps its commit ids with its rows, and compares epochs, passes as transactional", () =>
  Effect.gen(function* () {
    const report = yield* reportOf(transactional)
    assert.deepEqual(report.failures, [])
    assert.equal(report.guarantee, "transactional")
    assert.ok(report.deaths >= 15 && report.cases > 100, JSON.stringify(report))
  }))

it("a sink that overwrites the same with the same passes as idempotent, with partitions of their own too", () =>
  Effect.gen(function* () {
    const upserted = (table: Table, records: ReadonlyArray<number>) =>
      Effect.sync(() => void (table.rows = [...new Set([...table.rows, ...records])]))
    const whole = yield* reportOf((table) =>
      Sink.idempotent({
        name: "upsert",
        prepare,
        commit: (_, prepared: ReadonlyArray<ReadonlyArray<number>>) => upserted(table, prepared.flat())
      })
    )
    assert.deepEqual(whole.failures, [])
    const parts = yield* reportOf((table) =>
      Sink.perPartition({
        name: "upsert",
        guarantee: "idempotent",
        write: (records: ReadonlyArray<number>) => upserted(table, records)
      })
    )
    assert.deepEqual(parts.failures, [])
  }))

it("a sink that appends passes as at-least-once, and not as idempotent", () =>
  Effect.gen(function* () {
    const commit = (table: Table) => (_: unknown, prepared: ReadonlyArray<ReadonlyArray<number>>) =>
      Effect.sync(() => void table.rows.push(...prepared.flat()))
    const honest = yield* reportOf((table) => Sink.atLeastOnce({ name: "append", prepare, commit: commit(table) }))
    assert.deepEqual(honest.failures, [])
    const parts = yield* reportOf((table) =>
      Sink.perPartition({
        name: "append",
        guarantee: "at-least-once",
        write: (records: ReadonlyArray<number>) => Effect.sync(() => void table.rows.push(...records))
      })
    )
    assert.deepEqual(parts.failures, [])
    const naive = yield* reportOf((table) => Sink.idempotent({ name: "append", prepare, commit: commit(table) }))
    const twice =
      "killed after it had committed batch 1 and before it noted that: at the end, records 100, 101, 102 of batch 1 are there 2 times"
    assert.ok(naive.failures.includes(twice), naive.failures.join("\n"))
  }))

it("a sink that commits a batch partition by partition is found when it dies between them", () =>
  Effect.gen(function* () {
    const report = yield* reportOf((table) =>
      Sink.transactional({
        name: "in parts",
        prepare,
        fence: fenceOf(table),
        commit: (batch, prepared: ReadonlyArray<ReadonlyArray<number>>) =>
          Effect.suspend(() => {
            if (table.epoch > batch.epoch) return Effect.fail(Sink.Fenced.of(batch, table.epoch))
            if (table.commits.has(batch.commitId)) return Effect.void
            table.commits.add(batch.commitId)
            return Effect.forEach(prepared, (rows) => Effect.sync(() => table.rows.push(...rows)))
          })
      })
    )
    assert.ok(
      report.failures.some((failure) =>
        /^killed while it committed batch 1: as soon as it had died, batch 1 is there in part: records .* are missing$/
          .test(failure)
      ),
      report.failures.join("\n")
    )
  }))

it("a sink that does not compare epochs is found when a driver that was replaced goes on", () =>
  Effect.gen(function* () {
    const report = yield* reportOf((table) =>
      Sink.transactional({
        name: "unfenced",
        prepare,
        fence: () => Effect.void,
        commit: ({ commitId }, prepared: ReadonlyArray<ReadonlyArray<number>>) =>
          Effect.sync(() => {
            if (table.commits.has(commitId)) return
            table.commits.add(commitId)
            table.rows.push(...prepared.flat())
          })
      })
    )
    assert.ok(report.failures.length > 0)
    for (const failure of report.failures) {
      assert.match(
        failure,
        /^asleep .* until another driver had taken over: .*which only a driver that was replaced has put in/
      )
    }
  }))

it("other mistakes are found too: seen before it is committed, kept in memory, lost, no plain data, of the last commit only", () =>
  Effect.gen(function* () {
    const early = yield* reportOf((table) =>
      Sink.idempotent({
        name: "early",
        prepare: (records: ReadonlyArray<number>) =>
          Effect.sync(() => void (table.rows = [...new Set([...table.rows, ...records])])),
        commit: () => Effect.void
      })
    )
    assert.match(early.failures.join("\n"), /of batch 1 are there before it was committed/)

    const remembering = yield* reportOf((table) => {
      const kept: Array<number> = []
      return Sink.idempotent({
        name: "remembering",
        prepare: (records: ReadonlyArray<number>) => Effect.sync(() => void kept.push(...records)),
        commit: () => Effect.sync(() => void (table.rows = [...new Set([...table.rows, ...kept])]))
      })
    })
    assert.deepEqual(
      remembering.failures,
      [
        "without any fault: at the end, records 100, 101, 102 of batch 1 are missing, though it was committed; " +
        "records 200, 201, 202, 203 of batch 2 are missing, though it was committed; " +
        "records 400, 401, 402, 403, 404 of batch 4 are missing, though it was committed",
        "with each batch committed twice: at the end, records 100, 101, 102 of batch 1 are missing, though it was committed; " +
        "records 200, 201, 202, 203 of batch 2 are missing, though it was committed; " +
        "records 400, 401, 402, 403, 404 of batch 4 are missing, though it was committed"
      ].concat(remembering.failures.slice(2))
    )

    const marking = yield* reportOf((table) =>
      Sink.idempotent({
        name: "marks first",
        prepare,
        commit: ({ commitId }, prepared: ReadonlyArray<ReadonlyArray<number>>) =>
          Effect.suspend(() => {
            if (table.commits.has(commitId)) return Effect.void
            table.commits.add(commitId)
            return Effect.sync(() => void table.rows.push(...prepared.flat()))
          })
      })
    )
    assert.match(
      marking.failures.join("\n"),
      /killed while it committed batch 2: at the end, records 200, 201, 202, 203 of batch 2 are missing, though it was committed/
    )

    const functions = yield* reportOf((table) =>
      Sink.idempotent({
        name: "functions",
        prepare: (records: ReadonlyArray<number>) => Effect.succeed({ rows: () => records }),
        commit: (_, prepared) => Effect.sync(() => void table.rows.push(...prepared.flatMap(({ rows }) => rows())))
      })
    )
    assert.match(functions.failures[0]!, /prepare has to give plain data, and prepared\.rows is a function/)

    const last = yield* reportOf((table) =>
      Sink.idempotent({
        name: "the last commit only",
        prepare,
        commit: ({ commitId }, prepared: ReadonlyArray<ReadonlyArray<number>>) =>
          Effect.sync(() => {
            if (table.commits.has(commitId)) return
            table.commits.clear()
            table.commits.add(commitId)
            table.rows.push(...prepared.flat())
          })
      })
    )
    assert.match(last.failures.join("\n"), /^with all batches again.* are there 2 times/)
  }))

it.live("a sink that holds a lock while it commits is let wait for a driver that sleeps, and dies with its finalizers", () =>
  Effect.gen(function* () {
    const locks = new Map<string, Semaphore.Semaphore>()
    const { of, read } = tables()
    const locked = (target: string) => {
      const lock = locks.get(target) ?? Semaphore.makeUnsafe(1)
      locks.set(target, lock)
      const sink = transactional(of(target))
      return Sink.transactional({
        ...sink,
        fence: (output) => lock.withPermits(1)(Effect.andThen(Effect.yieldNow, sink.fence!(output))),
        commit: (batch, prepared) => lock.withPermits(1)(Effect.andThen(Effect.yieldNow, sink.commit(batch, prepared)))
      })
    }
    const report = yield* sinkConformance({
      make: (target) => Effect.sync(() => locked(target)),
      read,
      record: (id) => id,
      death: "interrupt",
      patienceMillis: 10
    })
    assert.deepEqual(report.failures, [])
    assert.ok(report.deaths > 40, JSON.stringify(report))
  }))
