/**
 * What the tests of SQL sinks share: a table of readings, and a driver of a sink that has no engine around it.
 */
import { Effect } from "effect"
import * as Sql from "../../adapters/sql/mod.ts"
import { Sink } from "../../core/mod.ts"
import { ask, connected, freshTable, tableOf, type World } from "./contract.ts"

export type Reading = readonly [sensor: string, celsius: number]

export const row = ([sensor, celsius]: Reading) => [sensor, celsius] as const
export const columns = ["sensor", "celsius"] as const

/** A driver of this epoch, of an output that is the test's own. */
export const driverOf = (sink: Sql.SqlSink<any>, app: string, epoch = 1) => {
  const output = { app, output: "out", epoch }
  const batchOf = (time: number, numPartitions: number) => ({
    ...output,
    time,
    numPartitions,
    commitId: Sink.commitIdOf({ ...output, time })
  })
  return {
    fence: sink.fence!(output),
    prepare: (time: number, ...partitions: ReadonlyArray<ReadonlyArray<unknown>>) =>
      Effect.forEach(
        partitions,
        (records, partition) => sink.prepare(records, { ...batchOf(time, partitions.length), partition, attempt: 0 })
      ),
    commit: (time: number, ...partitions: ReadonlyArray<ReadonlyArray<unknown>>) =>
      Effect.forEach(
        partitions,
        (records, partition) => sink.prepare(records, { ...batchOf(time, partitions.length), partition, attempt: 0 })
      ).pipe(
        Effect.flatMap((prepared) => sink.commit(batchOf(time, partitions.length), prepared))
      )
  }
}

/** A target, a table of readings and one of commits, and an app's name, that no other test has. */
export const fresh = (world: World, definition = "sensor text, celsius double precision") =>
  Effect.gen(function* () {
    const target = yield* connected(world)
    const table = yield* tableOf(target, definition)
    const commitsTable = `commits_${table}`
    const sink = Sql.sink({ target, table, columns, row, commitsTable })
    const rows = Effect.map(
      ask(target, `SELECT sensor, celsius FROM ${table} ORDER BY sensor, celsius`),
      (rows) => rows.map(({ celsius, sensor }) => [sensor, celsius])
    )
    return { target, table, commitsTable, sink, rows, app: freshTable() }
  })
