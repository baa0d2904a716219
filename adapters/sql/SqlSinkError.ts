/**
 * SqlSinkError: a batch could not be put into a database: where, why, which row, and what to do.
 */
import { Schema } from "effect"
import type { FailureReason, StatementFailed } from "./SqlTarget.ts"

/** Of a record: counted from 0, in its partition. */
export interface RowPlace {
  readonly partition: number
  readonly record: number
}

export class SqlSinkError extends Schema.TaggedError<SqlSinkError>()("SqlSinkError", {
  /** As `SqlTarget.FailureReason`; `Row`: what the sink's `row` gave is no row; `Options`: the sink's options cannot be;
   * `Commits`: what stands in the table of commits cannot be. */
  reason: Schema.String,
  row: Schema.optional(Schema.Struct({ partition: Schema.Number, record: Schema.Number })),
  message: Schema.String
}) {}

/** What to do. */
const remedies: Record<FailureReason, string> = {
  Unavailable: "see that the server runs and is reached under this address",
  Busy: "find who holds the lock for so long, or let the sink wait longer (attempts)",
  NotInstalled: "install it beside dstreams",
  Refused: "see the user, the password and what the user may do there",
  File: "name a file in a folder that is there, and let this process write both",
  MissingTable:
    "create it before the app starts, or correct its name: names are taken as they are written, a schema stands before a dot",
  Columns:
    "compare the sink's columns, and those of upsert, with the table's; an upsert needs a unique index on just its columns",
  Constraint: "leave such records out before the sink, or loosen the constraint; upsert replaces rows that are there",
  Value: "let row give a value of the column's type",
  SameKey:
    'rows of one batch have the same key for the database though their values differ, such as 1 and "1": let row give one of them',
  Full: "free some space there",
  Other: "see what the database says"
}

/** What the database refused, as a sentence. */
export const sinkErrorOf = (
  what: string,
  { message, reason }: StatementFailed,
  { attempts = 1, row }: { readonly attempts?: number; readonly row?: RowPlace | undefined } = {}
): SqlSinkError => {
  const which = row === undefined ? "" : ` at record ${row.record} of partition ${row.partition}, counted from 0`
  const tried = attempts > 1 ? `, tried ${attempts} times` : ""
  return new SqlSinkError({
    reason,
    ...(row === undefined ? {} : { row }),
    message: `cannot ${what}${which}${tried}: ${message}; ${remedies[reason]}`
  })
}
