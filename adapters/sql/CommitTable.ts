/**
 * CommitTable: the table that says, for each output of each app, how far it is committed, and by which driver.
 *
 * | column | what |
 * | --- | --- |
 * | app, output | whose row it is |
 * | epoch | of the latest driver that has fenced the output: an older one is refused |
 * | batch_time | of the last batch that was committed, milliseconds since 1970; null before the first |
 * | batch_epoch | of the driver that committed it |
 *
 * Batches of an output are committed in order, so that all up to `batch_time` are there. The row is changed in the transaction that
 * writes a batch, before anything else: it is locked from then on, and of two drivers at once one waits, and then finds what the
 * other has done.
 */
import { Effect, Result } from "effect"
import * as Sink from "../../core/output/Sink.ts"
import { quotedTable } from "./insertion.ts"
import { SqlSinkError } from "./SqlSinkError.ts"
import { type Run, type SqlTarget, StatementFailed } from "./SqlTarget.ts"

export const commitsTableDefault = "dstreams_commits"

/** How the table is made: for those who make it themselves. */
export const createCommits = (table: string = commitsTableDefault): string =>
  `CREATE TABLE IF NOT EXISTS ${quotedTable(table)} (
  app text NOT NULL,
  output text NOT NULL,
  epoch bigint NOT NULL,
  batch_time bigint,
  batch_epoch bigint,
  PRIMARY KEY (app, output)
)`

export interface CommitTable {
  /** After this no driver of an older epoch commits anything more. */
  readonly fence: (output: Sink.OutputContext) => Effect.Effect<void, StatementFailed | SqlSinkError | Sink.Fenced>
  /** Notes in a transaction that it commits the batch; false: the batch is there already. */
  readonly mark: (
    run: Run,
    batch: Sink.CommitContext
  ) => Effect.Effect<boolean, StatementFailed | SqlSinkError | Sink.Fenced>
}

export const make = (target: SqlTarget, table: string): CommitTable => {
  const name = quotedTable(table)
  const at = target.dialect.placeholder
  const raise = `INSERT INTO ${name} AS c (app, output, epoch) VALUES (${at(1)}, ${at(2)}, ${at(3)}) ` +
    `ON CONFLICT (app, output) DO UPDATE SET epoch = CASE WHEN c.epoch < excluded.epoch THEN excluded.epoch ELSE c.epoch END ` +
    `RETURNING epoch`
  const advance = `UPDATE ${name} SET epoch = ${at(1)}, batch_epoch = ${at(2)}, batch_time = ${at(3)} ` +
    `WHERE app = ${at(4)} AND output = ${at(5)} AND epoch <= ${at(6)} AND (batch_time IS NULL OR batch_time < ${
      at(7)
    }) ` +
    `RETURNING epoch`
  const look = `SELECT epoch, batch_time, batch_epoch FROM ${name} WHERE app = ${at(1)} AND output = ${at(2)}`
  const fence = (output: Sink.OutputContext) =>
    target.transaction((run) =>
      Effect.flatMap(run(raise, [output.app, output.output, output.epoch]), (rows) => {
        const epoch = Number(rows[0]!["epoch"])
        return epoch > output.epoch ? Effect.fail(Sink.Fenced.of(output, epoch)) : Effect.void
      })
    )
  const create = target.transaction((run) => run(createCommits(table), []))
  return {
    // Only where it is missing: to create "if not exists" asks for the right to create. Another driver may create it meanwhile.
    fence: (output) =>
      Effect.catchIf(
        fence(output),
        isMissing,
        () =>
          Effect.flatMap(Effect.result(create), (created) =>
            Effect.mapError(fence(output), (error) =>
              isMissing(error) && Result.isFailure(created) ? created.failure : error))
      ),
    mark: (run, batch) => {
      const { app, epoch, output, time } = batch
      return Effect.flatMap(
        run(advance, [epoch, epoch, time, app, output, epoch, time]),
        (advanced) =>
          advanced.length > 0
            ? Effect.succeed(true)
            : Effect.flatMap(run(look, [app, output]), (rows) => Effect.as(whyNot(table, batch, rows[0]), false))
      )
    }
  }
}

const isMissing = (error: StatementFailed | SqlSinkError | Sink.Fenced): boolean =>
  error._tag === "StatementFailed" && error.reason === "MissingTable"

/** Succeeds if the batch is there already. */
const whyNot = (
  table: string,
  batch: Sink.CommitContext,
  row: { readonly [column: string]: unknown } | undefined
): Effect.Effect<void, StatementFailed | SqlSinkError | Sink.Fenced> => {
  const whose = `of output "${batch.output}" of app "${batch.app}"`
  if (row === undefined) {
    return Effect.fail(
      wrong(`the row ${whose} was taken out of the table ${table} while the app ran; start the app again`)
    )
  }
  const [epoch, time, batchEpoch] = [row["epoch"], row["batch_time"], row["batch_epoch"]].map(Number)
  if (epoch! > batch.epoch) return Effect.fail(Sink.Fenced.of(batch, epoch!))
  if (time! < batch.time) {
    return Effect.fail(new StatementFailed({ reason: "Busy", message: `the row ${whose} has just come` }))
  }
  if (time === batch.time || batchEpoch! < batch.epoch) return Effect.void
  // A driver repeats its last batch at most. Silently left out, all up to that time would be lost.
  return Effect.fail(wrong(
    `the batch of ${batch.time} ms ${whose} comes after that of ${time} ms was committed under the same epoch (${epoch}), by the ` +
      `table ${table}: a clock was set back, or two programs use one name. Give the app or the output another name, or take the ` +
      "row out of the table if its records may come again"
  ))
}

const wrong = (message: string) => new SqlSinkError({ reason: "Commits", message })
