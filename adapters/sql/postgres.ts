/**
 * postgres: a PostgreSQL database as a target of SQL sinks, over `@effect/sql-pg`, an optional peer that is loaded when the first
 * transaction needs it.
 *
 * One connection, opened at the first transaction and kept; it does not keep the process alive between them. Whatever goes wrong
 * in a way that leaves the session in doubt (an interruption, a lost connection, a failed ROLLBACK), it is dropped. Values travel as
 * texts, of which the statement tells the types: so 1.5 for a column of integers is an error, and not 2.
 */
import type { PgConnection } from "@effect/sql-pg/PgConnection"
import { Context, Effect, Exit, Redacted, Scope, Semaphore } from "effect"
import { describeError } from "../../core/protocol/describeError.ts"
import { type DurationInput, millisOf } from "../../core/time/Time.ts"
import { failureOf } from "./postgresFailure.ts"
import { unfitText } from "./rows.ts"
import { type ClosableTarget, type Dialect, type Parameter, type Run, StatementFailed } from "./SqlTarget.ts"

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`; the options beside it are stronger. */
  readonly url?: Redacted.Redacted | undefined
  /** A name or an address, or the directory of a Unix socket. localhost */
  readonly host?: string | undefined
  /** 5432 */
  readonly port?: number | undefined
  readonly database?: string | undefined
  readonly username?: string | undefined
  readonly password?: Redacted.Redacted | undefined
  /** Encrypted, the server's certificate verified; an object is as in `node:tls`. */
  readonly ssl?: boolean | { readonly ca?: string; readonly rejectUnauthorized?: boolean } | undefined
  /** How long a transaction may take, with the waiting for others and for the connection. 1 minute. */
  readonly timeout?: DurationInput | undefined
  /** `false` for poolers that keep no prepared statements. */
  readonly prepare?: boolean | undefined
}

const dialect: Dialect = {
  name: "postgres",
  placeholder: (number) => `$${number}`,
  rowsPerStatement: 512,
  // The server takes twice as many, the package does not.
  parametersMax: 32_767,
  unfit: unfitText
}

export const postgres = (options: PostgresOptions = {}): ClosableTarget => {
  const client = new Client(options)
  const timeoutMillis = millisOf(options.timeout ?? "1 minute")
  const one = Semaphore.makeUnsafe(1)
  const late = new StatementFailed({
    reason: "Busy",
    message: `the transaction was not done within ${timeoutMillis} ms`
  })
  const transaction: ClosableTarget["transaction"] = (work) =>
    one.withPermit(Effect.timeoutOrElse(client.transaction(work), {
      duration: timeoutMillis,
      orElse: () => Effect.fail(late)
    }))
  return { dialect, name: `PostgreSQL at ${addressOf(options)}`, transaction, close: client.close }
}

/** Without user and password. */
const addressOf = ({ database, host, port, url }: PostgresOptions): string => {
  const known = url === undefined ? undefined : partsOf(Redacted.value(url))
  const path = database ?? known?.database
  const at = host ?? known?.host ?? "localhost"
  return `${at}${at.startsWith("/") ? ", port " : ":"}${port ?? known?.port ?? 5432}${path ? `, database ${path}` : ""}`
}

const partsOf = (text: string) => {
  try {
    const { hostname, pathname, port } = new URL(text)
    const part = (value: string) => value === "" ? undefined : decodeURIComponent(value)
    return { host: part(hostname), port: part(port), database: part(pathname.slice(1)) }
  } catch {
    return undefined
  }
}

interface Session {
  readonly connection: PgConnection
  readonly scope: Scope.Closeable
}

/**
 * Ends transactions of drivers that vanished, which would lock their output until TCP gives up; and has commits flushed, as
 * "durable" means, whatever the server's default. For this transaction only, because poolers give sessions on.
 */
const careful = "SELECT set_config('idle_in_transaction_session_timeout', '30s', true), " +
  "set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' " +
  "ELSE current_setting('synchronous_commit') END, true)"

class Client {
  private readonly options: PostgresOptions
  private session: Session | undefined

  constructor(options: PostgresOptions) {
    this.options = options
  }

  readonly transaction: ClosableTarget["transaction"] = (work) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen({ self: this }, function* () {
        const session = yield* restore(this.begin)
        const run: Run = (text, parameters) => Effect.map(this.query(session, text, parameters), ({ rows }) => rows)
        const exit = yield* Effect.exit(
          restore(Effect.tap(Effect.andThen(run(careful, []), work(run)), () => this.commit(session)))
        )
        if (Exit.isFailure(exit)) yield* this.abandon(session, Exit.hasInterrupts(exit))
        setAlive(session, false)
        return yield* exit
      })
    )

  /** A session that lay idle may have been lost: then by a new one. */
  private get begin(): Effect.Effect<Session, StatementFailed> {
    const kept = this.session
    const begun = (session: Session) => {
      setAlive(session, true)
      return Effect.as(this.query(session, "BEGIN", []), session).pipe(
        Effect.onExit((exit) => Exit.isFailure(exit) ? this.drop(session) : Effect.void)
      )
    }
    const anew = Effect.flatMap(this.connect, begun)
    if (kept === undefined) return anew
    return Effect.catchIf(begun(kept), ({ reason }) => reason === "Unavailable", () => anew)
  }

  private get connect(): Effect.Effect<Session, StatementFailed> {
    const { timeout: _, ...config } = this.options
    return Effect.gen({ self: this }, function* () {
      const { make } = yield* Effect.tryPromise({
        try: () => import("@effect/sql-pg/PgConnection"),
        catch: notInstalled
      })
      const scope = yield* Scope.make()
      // Its release must not run on the scheduler or the clock of whoever came first: the connection outlives that.
      const connected = make({ ...config, applicationName: "dstreams", keepAlive: "30 seconds" }).pipe(
        Effect.updateContext((_: Context.Context<never>) => Context.make(Scope.Scope, scope))
      )
      const connection = yield* connected.pipe(
        Effect.mapError(failureOf),
        Effect.onExit((exit) => Exit.isFailure(exit) ? Scope.close(scope, exit) : Effect.void)
      )
      return this.session = { connection, scope }
    })
  }

  private query({ connection }: Session, text: string, parameters: ReadonlyArray<Parameter>) {
    return Effect.mapError(connection.query(text, parameters.map(bound), this.options.prepare), failureOf)
  }

  /** The server answers ROLLBACK where the transaction had failed before, and nobody has told so. */
  private commit(session: Session): Effect.Effect<void, StatementFailed> {
    return Effect.flatMap(
      this.query(session, "COMMIT", []),
      ({ command }) =>
        command === "COMMIT" ? Effect.void : Effect.fail(
          new StatementFailed({ reason: "Other", message: "the transaction was rolled back by the server" })
        )
    )
  }

  private abandon(session: Session, interrupted: boolean): Effect.Effect<void> {
    // A request to cancel may still be under way, and would hit the next statement.
    if (interrupted) return this.drop(session)
    return Effect.catch(this.query(session, "ROLLBACK", []), () => this.drop(session))
  }

  private drop(session: Session): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.session === session) this.session = undefined
      return Scope.close(session.scope, Exit.void)
    })
  }

  readonly close: Effect.Effect<void> = Effect.suspend(() =>
    this.session === undefined ? Effect.void : this.drop(this.session)
  )
}

const notInstalled = (error: unknown): StatementFailed => {
  const isMissing = /Cannot find (package|module)|ERR_MODULE_NOT_FOUND|not find/.test(describeError(error))
  const message = isMissing
    ? "the package @effect/sql-pg is not there (npm install @effect/sql-pg@4.0.5)"
    : describeError(error)
  return new StatementFailed({ reason: "NotInstalled", message })
}

/** Texts, of which the statement tells the types; bytes as they are. */
const bound = (value: Parameter): unknown => {
  if (value instanceof Date) return value.toISOString()
  return value === null || value instanceof Uint8Array ? value : String(value)
}

/** An idle connection does not keep a process. The package keeps the socket to itself: where it is not found, it does. */
const setAlive = ({ connection }: Session, alive: boolean): void => {
  const { session } = connection as PgConnection & {
    readonly session?: { readonly socket?: { readonly ref?: () => void; readonly unref?: () => void } }
  }
  if (alive) session?.socket?.ref?.()
  else session?.socket?.unref?.()
}
