/**
 * sqlite: a file of SQLite as a target of SQL sinks, over `node:sqlite`, which is loaded when the first transaction needs it.
 *
 * A transaction takes the write lock at its beginning (BEGIN IMMEDIATE); while another connection has it, it waits without holding
 * the thread. It is durable when it returns (`synchronous=FULL`). The file has to be on a disk of the driver's machine. The
 * journal's mode is left as the file has it.
 */
import * as path from "node:path"
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite"
import { Effect, Exit, Semaphore } from "effect"
import { uptime } from "../../core/time/Uptime.ts"
import { describeError } from "../../core/protocol/describeError.ts"
import { type DurationInput, millisOf } from "../../core/time/Time.ts"
import { unfitText } from "./rows.ts"
import {
  type ClosableTarget,
  type Dialect,
  type FailureReason,
  type Parameter,
  type Row,
  type Run,
  StatementFailed
} from "./SqlTarget.ts"

export interface SqliteOptions {
  /** The path of the file, which is created if it is not there. */
  readonly filename: string
  /** How long a transaction waits for another connection's. 10 seconds. */
  readonly lockTimeout?: DurationInput | undefined
}

const dialect: Dialect = {
  name: "sqlite",
  // Numbered ones have names, among which SQLite searches.
  placeholder: () => "?",
  rowsPerStatement: 32,
  parametersMax: 32_766,
  unfit: (value) => {
    if (Number.isNaN(value)) return "NaN, for which SQLite has null only"
    if (typeof value === "bigint" && BigInt.asIntN(64, value) !== value) return `${value}n, which has more than 64 bits`
    return unfitText(value)
  }
}

export const sqlite = ({ filename, lockTimeout = "10 seconds" }: SqliteOptions): ClosableTarget => {
  const connection = new Connection(filename)
  const patienceMillis = millisOf(lockTimeout)
  const one = Semaphore.makeUnsafe(1)
  const transaction: ClosableTarget["transaction"] = (work) =>
    one.withPermit(Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        yield* connection.open
        yield* restore(locking(connection.run("BEGIN IMMEDIATE", []), patienceMillis))
        // A reader may be in the way of a commit, which then can be tried again.
        const commit = locking(connection.run("COMMIT", []), patienceMillis)
        const exit = yield* Effect.exit(restore(Effect.tap(work(connection.run), () => commit)))
        if (Exit.isFailure(exit)) yield* connection.rollback
        return yield* exit
      })
    ))
  return { dialect, name: `the SQLite file ${filename}`, transaction, close: Effect.sync(() => connection.close()) }
}

/** Tries until the lock is had, as long as there is patience. */
const locking = <A>(
  take: Effect.Effect<A, StatementFailed>,
  patienceMillis: number
): Effect.Effect<A, StatementFailed> =>
  Effect.flatMap(uptime, (began) => {
    const attempt = (pauseMillis: number): Effect.Effect<A, StatementFailed> =>
      Effect.catchIf(take, ({ reason }) =>
        reason === "Busy", (failure) =>
        Effect.flatMap(uptime, (now) =>
          now - began >= patienceMillis
            ? Effect.fail(failure)
            : Effect.andThen(Effect.sleep(pauseMillis), attempt(Math.min(pauseMillis * 2, 50)))))
    return attempt(1)
  })

class Connection {
  private readonly filename: string
  private database: DatabaseSync | undefined
  private readonly statements = new Map<string, StatementSync>()

  constructor(filename: string) {
    this.filename = filename
  }

  readonly open: Effect.Effect<void, StatementFailed> = Effect.suspend(() =>
    this.database !== undefined ? Effect.void : Effect.tryPromise({
      try: async () => {
        const sqlite = await import("node:sqlite")
        const database = new sqlite.DatabaseSync(this.filename)
        database.exec("PRAGMA busy_timeout = 0")
        database.exec("PRAGMA synchronous = FULL")
        this.database = database
      },
      catch: (error) => this.notOpened(failureOf(error))
    })
  )

  /** SQLite has the same words for a folder that is not there and for one where nothing may be written. */
  private notOpened({ message, reason }: StatementFailed): StatementFailed {
    const why = `the folder ${path.dirname(path.resolve(this.filename))} is not there, or may not be written`
    return new StatementFailed({ reason, message: reason === "File" ? `${message}: ${why}` : message })
  }

  readonly run: Run = (text, parameters) =>
    // Gives way first: a statement holds the thread until it is done.
    Effect.andThen(Effect.yieldNow, Effect.try({ try: () => this.execute(text, parameters), catch: failureOf }))

  private execute(text: string, parameters: ReadonlyArray<Parameter>): ReadonlyArray<Row> {
    const statement = this.statements.get(text) ?? this.database!.prepare(text)
    if (this.statements.size >= statementsMax) this.statements.clear()
    this.statements.set(text, statement)
    return statement.all(...parameters.map(bound)) as ReadonlyArray<Row>
  }

  readonly rollback: Effect.Effect<void> = Effect.sync(() => {
    try {
      this.database?.exec("ROLLBACK")
    } catch (error) {
      // Some failures have ended it already. Whatever else it is, a new connection begins anew.
      if (!/no transaction is active/.test(describeError(error))) this.close()
    }
  })

  close(): void {
    this.statements.clear()
    const database = this.database
    this.database = undefined
    database?.close()
  }
}

/** Texts that are kept prepared. */
const statementsMax = 100

/** Whole numbers as integers: bound as floating point, they would come back from a column of text with a point. */
const bound = (value: Parameter): SQLInputValue => {
  if (typeof value === "boolean") return value ? 1n : 0n
  if (value instanceof Date) return value.toISOString()
  return typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value
}

/** By the primary code of SQLite. */
const reasons: ReadonlyMap<number, FailureReason> = new Map([
  [3, "File"],
  [5, "Busy"],
  [6, "Busy"],
  [8, "File"],
  [13, "Full"],
  [14, "File"],
  [19, "Constraint"],
  [20, "Value"]
])

/** What has the code of all else, or none on Deno. */
const sentences: ReadonlyArray<readonly [RegExp, FailureReason]> = [
  [/no such table/, "MissingTable"],
  [
    /no such column|has no column named|values? for \d+ columns|columns but \d+ values|does not match any PRIMARY KEY/,
    "Columns"
  ],
  [/unable to open database file/, "File"]
]

const failureOf = (error: unknown): StatementFailed => {
  const { code, errcode } = error as { readonly code?: unknown; readonly errcode?: unknown }
  const isSqlite = code === "ERR_SQLITE_ERROR"
  const text = isSqlite ? (error as Error).message : describeError(error)
  const known = typeof errcode === "number" ? reasons.get(errcode & 0xff) : undefined
  const reason = known ?? sentences.find(([words]) => words.test(text))?.[1] ?? "Other"
  return new StatementFailed({
    reason,
    message: `${text}${isSqlite && errcode !== undefined ? ` (SQLite ${errcode})` : ""}`
  })
}
