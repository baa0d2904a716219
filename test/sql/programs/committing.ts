/**
 * The program of the kill test: numbers that are known by their batch go into a table, and are counted by a statement of its own.
 * The configuration says which database, beside the place for checkpoints.
 */
import { DStream, StreamingApp } from "dstreams"
import * as Memory from "dstreams/memory"
import * as Sql from "dstreams/sql"
import { Config, Effect } from "effect"

const numPartitions = 3
const perPartition = 200

export default Effect.gen(function* () {
  const filename = yield* Config.String("SQLITE").pipe(Config.withDefault(""))
  const port = yield* Config.Int("PGPORT").pipe(Config.withDefault(0))
  const password = yield* Config.Redacted("PGPASSWORD").pipe(Config.withDefault(undefined))
  const target = filename === ""
    ? Sql.postgres({ host: "127.0.0.1", port, database: "postgres", username: "tester", password })
    : Sql.sqlite({ filename })
  const numbers = Memory.stream({
    numPartitions,
    read: ({ batch, partition }) =>
      Array.from({ length: perPartition }, (_, i) => ({ batch, n: partition * perPartition + i }))
  })
  const count = "INSERT INTO counted VALUES (0, 1) ON CONFLICT (id) DO UPDATE SET n = counted.n + 1"
  return StreamingApp.make({
    name: "committing",
    batchDuration: "1 second",
    outputs: [
      numbers.pipe(
        DStream.toSink(
          Sql.sink({
            target,
            table: "numbers",
            columns: ["batch", "n"],
            row: ({ batch, n }: { batch: number; n: number }) => [batch, n]
          }),
          { name: "numbers" }
        )
      ),
      numbers.pipe(
        DStream.filter(({ n }) => n % 20 === 0),
        DStream.toSink(Sql.sink({ target, statement: count, row: (_: unknown) => [] }), { name: "counted" })
      )
    ]
  })
})
