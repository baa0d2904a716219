/**
 * What every making of `SqlTarget` has to keep, and every SQL sink over it: the same tests for each.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { after } from "node:test"
import { Deferred, Effect, Exit, Fiber, type Scope } from "effect"
import {
  type ClosableTarget,
  type FailureReason,
  type Parameter,
  type Row,
  sqlite,
  type SqlTarget,
  type StatementFailed
} from "../../adapters/sql/mod.ts"
import { it } from "../kit.ts"

/** A database, and connections to it that share nothing else. */
export interface World {
  readonly name: string
  readonly connect: () => ClosableTarget
  /** Of SQLite. */
  readonly file?: string
  /** Its columns for bytes, and for instants. */
  readonly bytes: string
  readonly instant: string
}

export const sqliteFile = (): string => {
  const directory = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), "dstreams-sqlite-"))
  after(() => fs.rmSync(directory, { recursive: true, force: true }))
  return path.join(directory, "test.db")
}

export const sqliteWorld = (filename = sqliteFile()): World => ({
  name: "SQLite",
  file: filename,
  connect: () => sqlite({ filename, lockTimeout: "5 seconds" }),
  bytes: "blob",
  instant: "text"
})

let tables = 0

/** No other test has it. */
export const freshTable = (): string => `table_${process.pid}_${++tables}`

/** As a process has it, for as long as the test's scope. */
export const connected = (world: World): Effect.Effect<ClosableTarget, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.sync(world.connect), (target) => target.close)

export const ask = (
  target: SqlTarget,
  statement: string,
  parameters: ReadonlyArray<Parameter> = []
): Effect.Effect<ReadonlyArray<Row>, StatementFailed> =>
  Effect.map(target.transaction((run) => run(statement, parameters)), (rows) => rows.map((row) => ({ ...row })))

export const tableOf = (target: SqlTarget, columns: string): Effect.Effect<string, StatementFailed> => {
  const table = freshTable()
  return Effect.as(ask(target, `CREATE TABLE ${table} (${columns})`), table)
}

export const targetContract = (world: World): void => {
  const { name } = world
  it.live(`${name}: what a transaction did is there when it returns, for every connection`, () =>
    Effect.gen(function* () {
      const [one, two] = [yield* connected(world), yield* connected(world)]
      const table = yield* tableOf(one, "n integer")
      const counted = yield* one.transaction((run) =>
        Effect.andThen(
          Effect.forEach([1, 2, 3], (n) => run(`INSERT INTO ${table} VALUES (${one.dialect.placeholder(1)})`, [n])),
          run(`SELECT n FROM ${table} ORDER BY n`, [])
        )
      )
      assert.equal(counted.length, 3)
      assert.deepEqual(yield* ask(two, `SELECT n FROM ${table} ORDER BY n`), [{ n: 1 }, { n: 2 }, { n: 3 }])
    }))

  it.live(`${name}: a transaction that fails, dies or is interrupted did nothing, and the next one works`, () =>
    Effect.gen(function* () {
      const target = yield* connected(world)
      const table = yield* tableOf(target, "n integer")
      const ends = [
        Effect.fail("own error"),
        Effect.die("defect"),
        Effect.interrupt
      ]
      for (const end of ends) {
        const work = target.transaction((run) => Effect.andThen(run(`INSERT INTO ${table} VALUES (1)`, []), end))
        const exit = yield* Effect.exit(work)
        assert.ok(Exit.isFailure(exit))
        if (end === ends[0]) assert.deepEqual(exit, Exit.fail("own error"))
        assert.deepEqual(yield* ask(target, `SELECT n FROM ${table}`), [])
      }
    }))

  it.live(`${name}: a statement that fails fails the transaction, and what was done before it is undone`, () =>
    Effect.gen(function* () {
      const target = yield* connected(world)
      const table = yield* tableOf(target, "n integer PRIMARY KEY")
      const twice = (run: Parameters<Parameters<typeof target.transaction>[0]>[0]) =>
        Effect.andThen(run(`INSERT INTO ${table} VALUES (1)`, []), run(`INSERT INTO ${table} VALUES (1)`, []))
      const failure = yield* Effect.flip(target.transaction(twice))
      assert.equal(failure.reason, "Constraint")
      assert.deepEqual(yield* ask(target, `SELECT n FROM ${table}`), [])
    }))

  it.live(`${name}: transactions of one connection run one at a time`, () =>
    Effect.gen(function* () {
      const target = yield* connected(world)
      let open = 0
      const one = target.transaction(() =>
        Effect.gen(function* () {
          assert.equal(++open, 1)
          yield* Effect.sleep(5)
          open--
        })
      )
      yield* Effect.all([one, one, one], { concurrency: "unbounded" })
    }))

  it.live(`${name}: a connection that was closed is opened again`, () =>
    Effect.gen(function* () {
      const target = yield* connected(world)
      const table = yield* tableOf(target, "n integer")
      yield* target.close
      yield* target.close
      assert.deepEqual(yield* ask(target, `SELECT n FROM ${table}`), [])
    }))

  it.live(`${name}: of two transactions that write one row the second waits for the first`, () =>
    Effect.gen(function* () {
      const [one, two] = [yield* connected(world), yield* connected(world)]
      const table = yield* tableOf(one, "n integer")
      yield* ask(one, `INSERT INTO ${table} VALUES (0)`)
      const held = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const add = (target: ClosableTarget, then: Effect.Effect<unknown>) =>
        target.transaction((run) =>
          Effect.andThen(run(`UPDATE ${table} SET n = n + 1 RETURNING n`, []), (rows) => Effect.as(then, rows))
        )
      const first = yield* Effect.forkChild(
        add(one, Effect.andThen(Deferred.succeed(held, void 0), Deferred.await(goOn)))
      )
      yield* Deferred.await(held)
      const second = yield* Effect.forkChild(add(two, Effect.void))
      yield* Effect.repeat(Effect.yieldNow, { times: 100 })
      assert.equal(second.pollUnsafe(), undefined)
      yield* Deferred.succeed(goOn, void 0)
      assert.equal((yield* Fiber.join(first))[0]!["n"], 1)
      assert.equal((yield* Fiber.join(second))[0]!["n"], 2)
    }))

  it.live(`${name}: values come back as they were given`, () =>
    Effect.gen(function* () {
      const target = yield* connected(world)
      const table = yield* tableOf(
        target,
        `id integer, big bigint, real double precision, words text, bytes ${world.bytes}, flag integer, at ${world.instant}, missing text`
      )
      const at = new Date("2026-11-29T10:00:00.123Z")
      const values: ReadonlyArray<Parameter> = [
        7,
        2n ** 53n - 1n,
        -1.5e300,
        "zwölf 🐟 ''\\",
        Uint8Array.of(0, 255, 39),
        1,
        at,
        null
      ]
      const places = values.map((_, i) => target.dialect.placeholder(i + 1)).join(", ")
      yield* ask(target, `INSERT INTO ${table} VALUES (${places})`, values)
      const [row] = yield* ask(target, `SELECT * FROM ${table}`)
      const { at: instant, big, bytes, ...rest } = row as Record<string, any>
      assert.deepEqual(rest, { id: 7, real: -1.5e300, words: "zwölf 🐟 ''\\", flag: 1, missing: null })
      assert.equal(BigInt(big), 2n ** 53n - 1n)
      assert.deepEqual([...bytes], [0, 255, 39])
      assert.equal(new Date(instant).getTime(), at.getTime())
    }))

  const failures: ReadonlyArray<readonly [reason: FailureReason, statement: (table: string) => string, what: RegExp]> =
    [
      ["MissingTable", () => "SELECT * FROM nowhere", /nowhere/],
      ["Columns", (table) => `INSERT INTO ${table} (nobody) VALUES (1)`, /nobody/],
      ["Columns", (table) => `INSERT INTO ${table} (id, other) VALUES (1)`, /values|expressions/],
      ["Columns", (table) => `INSERT INTO ${table} (other) VALUES (1) ON CONFLICT (other) DO NOTHING`, /ON CONFLICT/],
      ["Constraint", (table) => `INSERT INTO ${table} (id, other) VALUES (1, null)`, /other/],
      ["Constraint", (table) => `INSERT INTO ${table} (id, other) VALUES (1, -5)`, /check/i],
      ["Value", (table) => `INSERT INTO ${table} (id, other) VALUES ('abc', 1)`, /abc|mismatch/],
      ["Other", () => "SELEC", /SELEC/i]
    ]
  for (const [reason, statement, what] of failures) {
    it.live(`${name}: "${statement("things")}" fails as ${reason}, in the database's words`, () =>
      Effect.gen(function* () {
        const target = yield* connected(world)
        const table = yield* tableOf(target, "id integer PRIMARY KEY, other integer NOT NULL CHECK (other > 0)")
        const failure = yield* Effect.flip(ask(target, statement(table)))
        assert.equal(failure.reason, reason, failure.message)
        assert.match(failure.message, what)
      }))
  }
}
