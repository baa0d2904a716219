/**
 * The makings of `SqlTarget` keep the contract; and what is special to each.
 */
import * as assert from "node:assert/strict"
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { Effect, Redacted } from "effect"
import { postgres, sqlite } from "../../adapters/sql/mod.ts"
import { sinkErrorOf } from "../../adapters/sql/SqlSinkError.ts"
import { it } from "../kit.ts"
import { ask, connected, sqliteFile, sqliteWorld, tableOf, targetContract } from "./contract.ts"
import { freePort, password, postgresWorld, type Server, withServer } from "./postgres.ts"

targetContract(sqliteWorld())

it.live("SQLite: whole numbers are integers, and booleans 0 and 1, whatever the column", () =>
  Effect.gen(function* () {
    const target = yield* connected(sqliteWorld())
    const table = yield* tableOf(target, "any_kind, words text")
    yield* ask(target, `INSERT INTO ${table} VALUES (?1, ?2)`, [3, 4])
    yield* ask(target, `INSERT INTO ${table} VALUES (?1, ?2)`, [true, 4.5])
    const kinds = yield* ask(target, `SELECT typeof(any_kind) AS kind, any_kind AS value, words FROM ${table}`)
    assert.deepEqual(kinds, [
      { kind: "integer", value: 3, words: "4" },
      { kind: "integer", value: 1, words: "4.5" }
    ])
  }))

it.live("SQLite: a commit is flushed, and a lock that is not had in time is told", () =>
  Effect.gen(function* () {
    const filename = sqliteFile()
    const target = yield* connected(sqliteWorld(filename))
    assert.deepEqual(yield* ask(target, "PRAGMA synchronous"), [{ synchronous: 2 }])
    const hasty = yield* Effect.acquireRelease(
      Effect.sync(() => sqlite({ filename, lockTimeout: 20 })),
      (target) => target.close
    )
    const failure = yield* Effect.flip(target.transaction(() => ask(hasty, "SELECT 1")))
    assert.equal(failure.reason, "Busy")
    assert.deepEqual(yield* ask(hasty, "SELECT 1 AS one"), [{ one: 1 }])
  }))

it.live("SQLite: a file that cannot be opened is told with its folder, and there when it can be", () =>
  Effect.gen(function* () {
    const folder = path.join(path.dirname(sqliteFile()), "later")
    const target = sqlite({ filename: path.join(folder, "test.db") })
    const failure = yield* Effect.flip(ask(target, "SELECT 1"))
    assert.equal(failure.reason, "File")
    assert.ok(failure.message.endsWith(`: the folder ${folder} is not there, or may not be written`), failure.message)
    const { message } = sinkErrorOf("use it", failure)
    assert.doesNotMatch(message, /password/)
    fs.mkdirSync(folder)
    assert.equal((yield* ask(target, "SELECT 1")).length, 1)
    yield* target.close
  }))

it.live("PostgreSQL: where no server listens it is unavailable, and no secret is told", () =>
  Effect.gen(function* () {
    const port = yield* Effect.promise(freePort)
    const targets = [
      postgres({ host: "127.0.0.1", port, username: "tester", password: Redacted.make(password) }),
      postgres({ url: Redacted.make(`postgres://tester:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`) })
    ]
    for (const target of targets) {
      const failure = yield* Effect.flip(ask(target, "SELECT 1"))
      assert.equal(failure.reason, "Unavailable")
      assert.match(failure.message, /ECONNREFUSED/)
      assert.ok(target.name.startsWith(`PostgreSQL at 127.0.0.1:${port}`))
      for (const told of [target.name, failure.message, JSON.stringify(failure), String(failure.stack)]) {
        assert.ok(!told.includes(password) && !told.includes(encodeURIComponent(password)), told)
      }
    }
  }))

it.live("PostgreSQL: an address that is none is told without what was given", () =>
  Effect.gen(function* () {
    for (
      const url of [
        "postgres://tester:geheim@[host",
        "mysql://tester:geheim@host/x",
        "postgres://tester:geheim@host/x?sslmode=none"
      ]
    ) {
      const target = postgres({ url: Redacted.make(url) })
      const failure = yield* Effect.flip(ask(target, "SELECT 1"))
      assert.equal(failure.isRetryable, false, failure.message)
      assert.match(failure.message, /URL/)
      assert.ok(!`${target.name} ${JSON.stringify(failure)} ${failure.stack}`.includes("geheim"))
    }
  }))

const ends = (server: Server): void => {
  it.live("PostgreSQL: a connection that lies idle keeps no process", () =>
    Effect.gen(function* () {
      const program = `
        import { Effect, Redacted } from "effect"
        import { postgres } from ${JSON.stringify(new URL("../../adapters/sql/mod.ts", import.meta.url).href)}
        const target = postgres({ host: "127.0.0.1", port: ${server.options.port}, database: "postgres", username: "tester",
          password: Redacted.make(${JSON.stringify(password)}) })
        const rows = await Effect.runPromise(target.transaction((run) => run("SELECT 1 AS one", [])))
        console.log(JSON.stringify(rows))`
      const file = path.join(path.dirname(sqliteFile()), "program.mts")
      fs.writeFileSync(file, program)
      const cwd = new URL("../..", import.meta.url)
      fs.symlinkSync(path.join(cwd.pathname, "node_modules"), path.join(path.dirname(file), "node_modules"), "junction")
      const runtime = "Deno" in globalThis
        ? ["run", "-A", "--no-check", "--config", path.join(cwd.pathname, "deno.json")]
        : []
      const said = yield* Effect.callback<string>((resume) => {
        childProcess.execFile(process.execPath, [...runtime, file], { timeout: 20_000 }, (error, out, err) =>
          resume(Effect.succeed(`${out.trim()}${error === null ? "" : ` ended with ${error}: ${err}`}`)))
      })
      assert.equal(said, '[{"one":1}]')
    }))
}

withServer("PostgreSQL targets", (server) => {
  const world = postgresWorld(server)
  targetContract(world)
  ends(server)

  it.live("PostgreSQL: a wrong password is refused, and neither it nor the right one is told", () =>
    Effect.gen(function* () {
      const target = postgres({ ...server.options, password: Redacted.make("a wrong one") })
      const failure = yield* Effect.flip(ask(target, "SELECT 1"))
      assert.equal(failure.reason, "Refused")
      assert.match(failure.message, /password authentication failed/)
      assert.ok(!JSON.stringify(failure).includes("a wrong one"))
    }))

  it.live("PostgreSQL: a database that is not there is told by its name", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(ask(postgres({ ...server.options, database: "nowhere" }), "SELECT 1"))
      assert.equal(failure.reason, "MissingTable")
      assert.match(failure.message, /"nowhere" does not exist/)
    }))

  it.live("PostgreSQL: a connection that was lost between transactions is replaced; one lost within fails as unavailable", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* connected(world), yield* connected(world)]
      const [row] = yield* ask(one, "SELECT pg_backend_pid() AS pid")
      yield* ask(two, "SELECT pg_terminate_backend($1::int)", [Number(row!["pid"])])
      assert.equal((yield* ask(one, "SELECT 1")).length, 1)
      const failure = yield* Effect.flip(
        one.transaction((run) =>
          Effect.flatMap(run("SELECT pg_backend_pid() AS pid", []), ([row]) =>
            Effect.andThen(
              ask(two, "SELECT pg_terminate_backend($1::int)", [Number(row!["pid"])]),
              run("SELECT pg_sleep(10)", [])
            ))
        )
      )
      assert.equal(failure.reason, "Unavailable", failure.message)
      assert.equal((yield* ask(one, "SELECT 1")).length, 1)
    }))

  it.live("PostgreSQL: a transaction that takes too long ends, and the next one works", () =>
    Effect.gen(function* () {
      const target = postgres({ ...server.options, timeout: 300 })
      const failure = yield* Effect.flip(ask(target, "SELECT pg_sleep(20)"))
      assert.equal(failure.reason, "Busy")
      assert.match(failure.message, /not done within 300 ms/)
      assert.equal((yield* ask(target, "SELECT 1")).length, 1)
      yield* target.close
    }))

  it.live("PostgreSQL: transactions of those who vanish end, and commits are flushed where the server says otherwise", () =>
    Effect.gen(function* () {
      const target = yield* connected(world)
      const settings =
        "SELECT current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('synchronous_commit') AS flush"
      yield* ask(target, "ALTER ROLE tester SET synchronous_commit = off")
      yield* target.close
      assert.deepEqual(yield* ask(target, settings), [{ idle: "30s", flush: "on" }])
      yield* ask(target, "ALTER ROLE tester RESET synchronous_commit")
    }))

  it.live("PostgreSQL: a number with a fraction for a column of integers is an error, and is not rounded", () =>
    Effect.gen(function* () {
      const target = yield* connected(world)
      const table = yield* tableOf(target, "n integer")
      const failure = yield* Effect.flip(ask(target, `INSERT INTO ${table} VALUES ($1)`, [1.5]))
      assert.equal(failure.reason, "Value")
      yield* ask(target, `INSERT INTO ${table} VALUES ($1)`, [2])
      assert.deepEqual(yield* ask(target, `SELECT n FROM ${table}`), [{ n: 2 }])
    }))
})
