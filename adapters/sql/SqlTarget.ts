/**
 * SqlTarget: the one port between SQL sinks and a database: transactions over statements with parameters, nothing else.
 *
 * A making promises: the statements of a transaction are done all or not at all; what `transaction` has returned is durable; it
 * fails with what `work` fails with, and then nothing is done; transactions of one target run one at a time; a connection is opened
 * when it is needed, and again when it was lost. It does not promise that a transaction that failed as `Unavailable` was not done:
 * the connection may have been lost while it was committed. Makings: `postgres.ts`, `sqlite.ts`.
 */
import { Data, type Effect } from "effect"

/** What a statement may be given. */
export type Parameter = null | boolean | number | bigint | string | Date | Uint8Array

export type Row = { readonly [column: string]: unknown }

/** A statement, its parameters in the order in which they stand there, and the rows that it returns. */
export type Run = (
  statement: string,
  parameters: ReadonlyArray<Parameter>
) => Effect.Effect<ReadonlyArray<Row>, StatementFailed>

export interface SqlTarget {
  readonly dialect: Dialect
  /** For messages: which database it is, without any secret. */
  readonly name: string
  readonly transaction: <A, E>(work: (run: Run) => Effect.Effect<A, E>) => Effect.Effect<A, E | StatementFailed>
}

/** A target of this process: what it holds is given back when it is closed, and taken again when it is needed. */
export interface ClosableTarget extends SqlTarget {
  readonly close: Effect.Effect<void>
}

/** Where databases differ. */
export interface Dialect {
  readonly name: string
  /** The text of a parameter: the n-th of its statement, from 1. */
  readonly placeholder: (number: number) => string
  /** Rows that are best put into one statement; a power of two. */
  readonly rowsPerStatement: number
  /** Most parameters of a statement. */
  readonly parametersMax: number
  /** Why the database cannot hold a value as it is; undefined: it can. */
  readonly unfit: (value: Parameter) => string | undefined
}

/**
 * | reason | what it is | comes right if it is tried again |
 * | --- | --- | --- |
 * | Unavailable | no connection, or it was lost; the server starts, stops or has too many connections | yes |
 * | Busy | a lock was not had in time, a deadlock, transactions that cannot be put in an order | yes |
 * | NotInstalled | the client is not there | no |
 * | Refused | the user may not, or the password is wrong; the database can only be read | no |
 * | File | the file of the database cannot be opened or written | no |
 * | MissingTable | a table, schema or database is not there | no |
 * | Columns | a column is not there, the number of values is another, no unique index is on the key | no |
 * | Constraint | a row breaks a constraint | no |
 * | Value | a value is none of its column's type | no |
 * | SameKey | two rows of one statement have one key | no |
 * | Full | no space is left | no |
 * | Other | anything else | no |
 */
export type FailureReason =
  | "Unavailable"
  | "Busy"
  | "NotInstalled"
  | "Refused"
  | "File"
  | "MissingTable"
  | "Columns"
  | "Constraint"
  | "Value"
  | "SameKey"
  | "Full"
  | "Other"

/** The database refused a statement, or was not there. It holds no more than these texts: drivers' errors may bear secrets. */
export class StatementFailed extends Data.TaggedError("StatementFailed")<{
  readonly reason: FailureReason
  /** The database's own words, with its code. */
  readonly message: string
}> {
  get isRetryable(): boolean {
    return this.reason === "Unavailable" || this.reason === "Busy"
  }
}
