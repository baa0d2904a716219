/**
 * SQL sinks over both databases; what is special to one of them; what is tried again; options that cannot be.
 */
import * as assert from "node:assert/strict"
import { Clock, Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as Sql from "../../adapters/sql/mod.ts"
import { Sink } from "../../core/mod.ts"
import { it } from "../kit.ts"
import { ask, connected, freshTable, sqliteWorld, tableOf } from "./contract.ts"
import { postgresWorld, withServer } from "./postgres.ts"
import { sinkContract } from "./sinkContract.ts"

sinkContract(sqliteWorld())

const batch = { app: "app", output: "out", epoch: 1, time: 1000, commitId: "app/out/1000", numPartitions: 1 }
const columns = ["n"] as const
const row = (n: number) => [n] as const

/** Fails so often before it is there. */
const failing = (times: number, reason: Sql.FailureReason, began: Array<number> = []): Sql.SqlTarget => {
  const target = Sql.sqlite({ filename: ":memory:" })
  return {
    ...target,
    transaction: (work) =>
      Effect.flatMap(
        Clock.currentTimeMillis,
        (now) =>
          began.push(now) <= times
            ? Effect.fail(new Sql.StatementFailed({ reason, message: "connection refused (ECONNREFUSED)" }))
            : target.transaction(work)
      )
  }
}

it("a database that is not there is tried again with growing pauses, and told when it does not come", () =>
  Effect.gen(function* () {
    const began: Array<number> = []
    const sink = Sql.sink({ target: failing(Infinity, "Unavailable", began), table: "t", columns, row })
    const committing = yield* Effect.forkChild(Effect.flip(sink.commit(batch, [[[1]]])))
    yield* TestClock.adjust("1 minute")
    const error = yield* Fiber.join(committing)
    assert.deepEqual(began, [0, 250, 750, 1750, 3750, 7750])
    assert.equal((error as Sql.SqlSinkError).reason, "Unavailable")
    assert.match(error.message, /tried 6 times: connection refused \(ECONNREFUSED\); see that the server runs/)
  }))

it("a database that comes back in time has the batch once", () =>
  Effect.gen(function* () {
    const target = failing(0, "Unavailable")
    yield* ask(target, "CREATE TABLE t (n integer)")
    let calls = 0
    const flaky: Sql.SqlTarget = {
      ...target,
      transaction: (work) =>
        Effect.suspend(() =>
          ++calls > 2 && calls % 5 > 0 ? target.transaction(work) : Effect.fail(
            new Sql.StatementFailed({ reason: calls % 2 === 0 ? "Busy" : "Unavailable", message: "gone" })
          )
        )
    }
    const sink = Sql.sink({ target: flaky, table: "t", columns, row })
    const work = yield* Effect.forkChild(Effect.andThen(sink.fence!(batch), sink.commit(batch, [[[1]]])))
    yield* TestClock.adjust("1 minute")
    yield* Fiber.join(work)
    assert.deepEqual(yield* ask(target, "SELECT n FROM t"), [{ n: 1 }])
  }))

it("what cannot come right is not tried again", () =>
  Effect.gen(function* () {
    for (const reason of ["Refused", "MissingTable", "NotInstalled", "Full", "Other"] as const) {
      const began: Array<number> = []
      const sink = Sql.sink({ target: failing(Infinity, reason, began), table: "t", columns, row })
      const error = yield* Effect.flip(sink.commit(batch, [[[1]]]))
      assert.equal((error as Sql.SqlSinkError).reason, reason)
      assert.equal(began.length, 1)
    }
  }))

it("SQLite: NaN and numbers of more than 64 bits are refused, for it would write something else", () =>
  Effect.gen(function* () {
    const sink = Sql.sink({
      target: Sql.sqlite({ filename: ":memory:" }),
      table: "t",
      columns,
      row: (n: number | bigint) => [n]
    })
    for (const [value, what] of [[NaN, /NaN, for which SQLite has null/], [2n ** 63n, /more than 64 bits/]] as const) {
      const error = yield* Effect.flip(sink.prepare([value], { ...batch, partition: 0, attempt: 0 }))
      assert.match(error.message, what)
    }
  }))

it("options that cannot be are told when the program is loaded", () =>
  Effect.sync(() => {
    const target = Sql.sqlite({ filename: ":memory:" })
    const mistakes: ReadonlyArray<readonly [options: any, what: RegExp]> = [
      [{ table: "t", columns, row }, /target is undefined; give Sql.postgres/],
      [{ target, table: "t", columns }, /row is undefined; give a function/],
      [{ target, row }, /give either table, with columns, or statement/],
      [{ target, table: "t", statement: "x", columns, row }, /give either table/],
      [{ target, table: "t", row }, /give the columns/],
      [{ target, table: "t", columns, row, upsert: ["m"] }, /upsert names "m", which is none of the columns/],
      [{ target, table: "t", columns, row, upsert: [] }, /upsert names no column/]
    ]
    for (const [options, what] of mistakes) assert.throws(() => Sql.sink(options), what)
  }))

it("the types hold the number of values, the columns of a key, and what a value may be", () =>
  Effect.sync(() => {
    const target = Sql.sqlite({ filename: ":memory:" })
    const two = ["a", "b"] as const
    const sink: Sink.Sink<string, any, Sql.SqlSinkError | Sink.Fenced, never, "transactional"> = Sql.sink({
      target,
      table: "t",
      columns: ["a", "b"],
      row: (word: string) => [word, word.length],
      upsert: ["a"]
    })
    assert.equal(sink.guarantee, "transactional")
    assert.equal(sink.name, "sqlite")
    const wrong = () => [
      // @ts-expect-error: a value too few
      Sql.sink({ target, table: "t", columns: two, row: (word: string) => [word] as const }),
      // @ts-expect-error: no column of this name
      Sql.sink({ target, table: "t", columns: two, row: (word: string) => [word, 1], upsert: ["c"] }),
      // @ts-expect-error: no value for a database
      Sql.sink({ target, table: "t", columns: two, row: (word: string) => [word, { word }] })
    ]
    assert.equal(typeof wrong, "function")
  }))

withServer("PostgreSQL sinks", (server) => {
  const world = postgresWorld(server)
  sinkContract(world)

  it.live("PostgreSQL: a user who may not create tables uses the table of commits that is there; or is told", () =>
    Effect.gen(function* () {
      const admin = yield* connected(world)
      const table = yield* tableOf(admin, "n integer")
      const [user, secret] = [`user_${table}`, "of this user"]
      yield* ask(admin, `CREATE ROLE ${user} LOGIN PASSWORD '${secret}'`)
      yield* ask(admin, `GRANT INSERT ON ${table} TO ${user}`)
      const target = Sql.postgres({ ...server.options, username: user, password: Redacted.make(secret) })
      const commitsTable = `commits_${table}`
      const sink = Sql.sink({ target, table, columns, row, commitsTable })
      const error = yield* Effect.flip(sink.fence!(batch))
      assert.equal((error as Sql.SqlSinkError).reason, "Refused", error.message)
      yield* ask(admin, Sql.createCommits(commitsTable))
      yield* ask(admin, `GRANT SELECT, INSERT, UPDATE ON ${commitsTable} TO ${user}`)
      yield* sink.fence!(batch)
      yield* sink.commit(batch, [[[1]]])
      assert.deepEqual(yield* ask(admin, `SELECT n FROM ${table}`), [{ n: 1 }])
      yield* target.close
    }))

  it.live("PostgreSQL: a schema stands before a dot; a server that was restarted has the batch once", () =>
    Effect.gen(function* () {
      const target = yield* connected(world)
      const schema = `Schema ${freshTable()}`
      yield* ask(target, `CREATE SCHEMA "${schema}"`)
      yield* ask(target, `CREATE TABLE "${schema}".numbers (n integer)`)
      const sink = Sql.sink({ target, table: `${schema}.numbers`, columns, row, commitsTable: `${schema}.commits` })
      yield* sink.fence!(batch)
      yield* Effect.promise(server.restart)
      yield* sink.commit(batch, [[[1], [2]]])
      yield* sink.commit(batch, [[[1], [2]]])
      assert.deepEqual(yield* ask(target, `SELECT n FROM "${schema}".numbers`), [{ n: 1 }, { n: 2 }])
    }))

  it.live("PostgreSQL: rows of one key whose values differ only here are told", () =>
    Effect.gen(function* () {
      const target = yield* connected(world)
      const table = yield* tableOf(target, "n integer PRIMARY KEY")
      const sink = Sql.sink({
        target,
        table,
        columns,
        row: (n: number | string) => [n],
        upsert: ["n"],
        commitsTable: `c_${table}`
      })
      const keyed = Sql.sink({
        target,
        statement: `INSERT INTO ${table} VALUES ($1), ($2) ON CONFLICT (n) DO UPDATE SET n = excluded.n`,
        row: (n: number) => [n, n],
        commitsTable: `c_${table}`
      })
      yield* sink.fence!(batch)
      yield* sink.commit(batch, [[[1], ["2"]]])
      const error = yield* Effect.flip(keyed.commit({ ...batch, time: 2000 }, [[[1, 1]]]))
      assert.equal((error as Sql.SqlSinkError).reason, "SameKey", error.message)
    }))
})
