/**
 * sink: puts each batch of a stream into a database exactly once: its rows and the note that it is committed in one transaction.
 *
 * | step | where | what |
 * | --- | --- | --- |
 * | prepare | executors | records become rows, which are looked at; they travel to the driver |
 * | fence | driver | raises the epoch in the table of commits |
 * | commit | driver | one transaction: compares the epoch, notes the batch (`CommitTable`), writes the rows in bounded pieces |
 *
 * A batch that is there already is left. What may come right if it is tried again (no connection, a lock) is tried `attempts` times:
 * a transaction of which nobody knows whether it was committed finds its own note. When a row is refused, the rows of its piece
 * are written one by one in a transaction that is rolled back, to tell which one it was.
 */
import { Effect, Schedule } from "effect"
import * as Sink from "../../core/output/Sink.ts"
import { describeValue } from "../../core/protocol/describeValue.ts"
import * as CommitTable from "./CommitTable.ts"
import { byStatement, type Insertion, intoTable, lastOfEachKey, type Piece, piecesOf } from "./insertion.ts"
import { rowsOf, type SqlRow } from "./rows.ts"
import { type RowPlace, sinkErrorOf, SqlSinkError } from "./SqlSinkError.ts"
import { type Parameter, type Run, type SqlTarget, StatementFailed } from "./SqlTarget.ts"

export interface SqlSinkOptions {
  readonly target: SqlTarget
  /** The table that holds how far outputs are committed; it is created if it is missing. dstreams_commits */
  readonly commitsTable?: string | undefined
  /** How often a transaction is tried that found no connection or a lock, with pauses of 0.25, 0.5, 1, ... seconds. 6 */
  readonly attempts?: number | undefined
  /** Most bytes of the rows of a partition. 16 MiB */
  readonly preparedBytesMax?: number | undefined
}

/** Rows of a table. Names are taken as they are written; a schema stands before a dot. */
export interface TableOptions<A, C extends ReadonlyArray<string>> extends SqlSinkOptions {
  readonly table: string
  readonly columns: C
  /** The values of the columns. */
  readonly row: (record: A) => { readonly [K in keyof C]: Parameter }
  /** Columns with a unique index: a row takes the place of the one that has the same values there. */
  readonly upsert?: ReadonlyArray<C[number]> | undefined
}

/** A statement that is run once for each record, in the order of partitions and records. */
export interface StatementOptions<A> extends SqlSinkOptions {
  /** With parameters as the database writes them: `$1` for PostgreSQL, `?` for SQLite. */
  readonly statement: string
  /** The parameters. */
  readonly row: (record: A) => ReadonlyArray<Parameter>
}

export type SqlSink<A> = Sink.Sink<A, ReadonlyArray<SqlRow>, SqlSinkError | Sink.Fenced, never, "transactional">

export const sink: {
  <A, const C extends ReadonlyArray<string>>(options: TableOptions<A, C>): SqlSink<A>
  <A>(options: StatementOptions<A>): SqlSink<A>
} = (options: TableOptions<any, ReadonlyArray<string>> | StatementOptions<any>): SqlSink<any> => {
  const mistake = mistakeOf(options)
  if (mistake !== undefined) {
    throw new SqlSinkError({ reason: "Options", message: `Sql.sink cannot be made: ${mistake}` })
  }
  const { attempts = 6, commitsTable = CommitTable.commitsTableDefault, preparedBytesMax = 16 << 20, row, target } =
    options
  const columns = "table" in options ? options.columns : undefined
  const commits = CommitTable.make(target, commitsTable)
  const write = writer(options)
  const patiently = <A, E>(what: string, effect: Effect.Effect<A, E | StatementFailed>) =>
    Effect.retry(effect, {
      while: (error) => error instanceof StatementFailed && error.isRetryable,
      times: attempts - 1,
      schedule: Schedule.exponential("250 millis")
    }).pipe(
      Effect.mapError((error): Exclude<E, StatementFailed> | SqlSinkError =>
        error instanceof StatementFailed
          ? sinkErrorOf(what, error, { attempts: error.isRetryable ? attempts : 1 })
          : error as Exclude<E, StatementFailed>
      )
    )
  return Sink.transactional({
    name: target.dialect.name,
    preparedBytesMax,
    fence: (output) => patiently(`use the table ${commitsTable} of ${target.name}`, commits.fence(output)),
    prepare: (records: ReadonlyArray<any>, { output, partition }) =>
      Effect.try({
        try: () => rowsOf(records, row, { output, partition, columns, dialect: target.dialect }),
        catch: (error) => error as SqlSinkError
      }),
    commit: (batch, prepared) => {
      const what = `put the batch of ${batch.time} ms into ${nameOf(options)} of ${target.name}`
      return patiently(what, write(prepared, what, (run) => commits.mark(run, batch)))
    }
  })
}

const nameOf = (options: TableOptions<any, any> | StatementOptions<any>): string =>
  "table" in options ? `the table ${options.table}` : "a table"

/** A row was refused. */
class PieceFailed {
  readonly piece: Piece
  readonly failure: StatementFailed
  constructor(piece: Piece, failure: StatementFailed) {
    this.piece = piece
    this.failure = failure
  }
}

/** Writes the rows of a batch in one transaction, unless it is marked already. */
const writer = (options: TableOptions<any, ReadonlyArray<string>> | StatementOptions<any>) => {
  const { target } = options
  const insertion = insertionOf(options)
  const key = keyOf(options)
  return <E>(
    prepared: ReadonlyArray<ReadonlyArray<SqlRow>>,
    what: string,
    mark: (run: Run) => Effect.Effect<boolean, E>
  ): Effect.Effect<void, E | StatementFailed | SqlSinkError> => {
    const all = prepared.flat()
    const kept = key === undefined ? undefined : lastOfEachKey(all, key)
    const rows = kept === undefined ? all : kept.map((index) => all[index]!)
    const pieces = piecesOf(rows, insertion.rowsMax)
    const placeOf = (index: number) => placeIn(prepared, kept === undefined ? index : kept[index]!)
    const written = target.transaction((run) =>
      Effect.flatMap(mark(run), (isNew) => isNew ? writeAll(run, insertion, rows, pieces) : Effect.void)
    )
    return Effect.catchIf(written, (error) => error instanceof PieceFailed, ({ failure, piece }) =>
      Effect.flatMap(
        whichRow(target, insertion, rows, pieces, piece),
        (index) => Effect.fail(sinkErrorOf(what, failure, { row: index === undefined ? undefined : placeOf(index) }))
      ))
  }
}

const writeAll = (
  run: Run,
  insertion: Insertion,
  rows: ReadonlyArray<SqlRow>,
  pieces: ReadonlyArray<Piece>
): Effect.Effect<void, StatementFailed | PieceFailed> =>
  Effect.forEach(
    pieces,
    (piece) =>
      Effect.mapError(
        run(insertion.statement(piece.end - piece.start), rows.slice(piece.start, piece.end).flat()),
        (failure) =>
          failure.reason === "Constraint" || failure.reason === "Value" ? new PieceFailed(piece, failure) : failure
      ),
    { discard: true }
  )

/** The first row of a piece that is refused alone; undefined: none is any more. Nothing of this is committed. */
const whichRow = (
  target: SqlTarget,
  insertion: Insertion,
  rows: ReadonlyArray<SqlRow>,
  pieces: ReadonlyArray<Piece>,
  { end, start }: Piece
): Effect.Effect<number | undefined> => {
  if (end - start === 1) return Effect.succeed(start)
  const before = pieces.filter((piece) => piece.end <= start)
  const single = Array.from({ length: end - start }, (_, i) => ({ start: start + i, end: start + i + 1 }))
  return target.transaction((run) =>
    Effect.andThen(writeAll(run, insertion, rows, [...before, ...single]), Effect.fail("none"))
  ).pipe(
    Effect.as(undefined),
    Effect.catch((error) => Effect.succeed(error instanceof PieceFailed ? error.piece.start : undefined))
  )
}

const placeIn = (prepared: ReadonlyArray<ReadonlyArray<SqlRow>>, index: number): RowPlace => {
  let partition = 0
  let record = index
  while (record >= prepared[partition]!.length) record -= prepared[partition++]!.length
  return { partition, record }
}

const insertionOf = (options: TableOptions<any, ReadonlyArray<string>> | StatementOptions<any>): Insertion =>
  "table" in options
    ? intoTable(options.target.dialect, options.table, options.columns, options.upsert)
    : byStatement(options.statement)

/** Places of the key's columns. */
const keyOf = (options: TableOptions<any, ReadonlyArray<string>> | StatementOptions<any>) =>
  "table" in options ? options.upsert?.map((column) => options.columns.indexOf(column)) : undefined

/** Types tell it; programs without types are told here, where they are loaded. */
const mistakeOf = (
  options: Partial<TableOptions<any, ReadonlyArray<string>> & StatementOptions<any>>
): string | undefined => {
  const { columns, row, statement, table, target, upsert } = options
  if (typeof target?.transaction !== "function") {
    return `target is ${describeValue(target)}; give Sql.postgres({ ... }) or Sql.sqlite({ filename })`
  }
  if (typeof row !== "function") return `row is ${describeValue(row)}; give a function from a record to its values`
  if ((table === undefined) === (statement === undefined)) return "give either table, with columns, or statement"
  if (statement !== undefined) return undefined
  if (!Array.isArray(columns) || columns.length === 0) return "give the columns that row gives the values of"
  const strange = upsert?.find((column) => !columns.includes(column))
  if (strange !== undefined) return `upsert names "${strange}", which is none of the columns`
  return upsert?.length === 0 ? "upsert names no column; name those that a row is known by" : undefined
}
