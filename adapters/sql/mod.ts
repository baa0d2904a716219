/**
 * Sql: sinks that put batches into a database exactly once: `import * as Sql from "dstreams/sql"`.
 *
 * Rows and commit id are written in one transaction, under the driver's epoch. Databases: PostgreSQL (`postgres`) and SQLite
 * (`sqlite`); any other that keeps to the promises of `SqlTarget` and knows ON CONFLICT and RETURNING.
 */
export { commitsTableDefault, createCommits } from "./CommitTable.ts"
export { postgres, type PostgresOptions } from "./postgres.ts"
export type { SqlRow } from "./rows.ts"
export { sink, type SqlSink, type SqlSinkOptions, type StatementOptions, type TableOptions } from "./sink.ts"
export { sqlite, type SqliteOptions } from "./sqlite.ts"
export { SqlSinkError } from "./SqlSinkError.ts"
export {
  type ClosableTarget,
  type Dialect,
  type FailureReason,
  type Parameter,
  type Row,
  type Run,
  type SqlTarget,
  StatementFailed
} from "./SqlTarget.ts"
