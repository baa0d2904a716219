/**
 * What databases refuse of SQL sinks: rows, told by their record; tables and columns, told with a remedy.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import * as Sql from "../../adapters/sql/mod.ts"
import { isPermanent } from "../../core/protocol/permanent.ts"
import { it } from "../kit.ts"
import { ask, connected, type World } from "./contract.ts"
import { columns, driverOf, fresh, type Reading, row } from "./readings.ts"

export const refusals = (world: World): void => {
  refusedRows(world)
  refusedTables(world)
}

const refusedRows = (world: World): void => {
  const { name } = world
  it.live(`${name}: a row that breaks a constraint is told by its partition and record, and nothing of its batch is there`, () =>
    Effect.gen(function* () {
      const { app, rows, sink, table } = yield* fresh(
        world,
        "sensor text PRIMARY KEY, celsius double precision CHECK (celsius < 100)"
      )
      const driver = driverOf(sink, app)
      yield* driver.fence
      const good = Array.from({ length: 700 }, (_, i): Reading => [`s${i}`, 1])
      const error = yield* Effect.flip(driver.commit(1000, good, [["x", 1], ["y", 1], ["z", 2], ["hot", 100]]))
      assert.ok(error instanceof Sql.SqlSinkError)
      assert.equal(error.reason, "Constraint")
      assert.deepEqual(error.row, { partition: 1, record: 3 })
      assert.match(
        error.message,
        new RegExp(`put the batch of 1000 ms into the table ${table} of .* at record 3 of partition 1`)
      )
      assert.match(error.message, /check.*; leave such records out before the sink, or loosen the constraint/is)
      const twice = yield* Effect.flip(driver.commit(1000, [...good, ["s5", 1]]))
      assert.deepEqual((twice as Sql.SqlSinkError).row, { partition: 0, record: 700 })
      assert.deepEqual(yield* rows, [])
      yield* driver.commit(1000, [["cold", 1]])
      assert.deepEqual(yield* rows, [["cold", 1]])
    }))

  it.live(`${name}: with upsert and with a statement too`, () =>
    Effect.gen(function* () {
      const { app, commitsTable, table, target } = yield* fresh(
        world,
        "sensor text PRIMARY KEY, celsius double precision NOT NULL"
      )
      const nullable = ([sensor, celsius]: readonly [string, number | null]) => [sensor, celsius] as const
      const upsert = driverOf(
        Sql.sink({ target, table, columns, row: nullable, commitsTable, upsert: ["sensor"] }),
        app
      )
      yield* upsert.fence
      const records = [["a", 1], ["a", 2], ["b", null], ["c", 1]]
      const refused = yield* Effect.flip(upsert.commit(1000, [["z", 0]], records))
      assert.deepEqual((refused as Sql.SqlSinkError).row, { partition: 1, record: 2 })
      const [one, two] = [target.dialect.placeholder(1), target.dialect.placeholder(2)]
      const statement = driverOf(
        Sql.sink({ target, statement: `INSERT INTO ${table} VALUES (${one}, ${two})`, row: nullable, commitsTable }),
        `${app} statement`
      )
      yield* statement.fence
      const error = yield* Effect.flip(statement.commit(1000, [["b", 1], ["c", null]]))
      assert.deepEqual((error as Sql.SqlSinkError).row, { partition: 0, record: 1 })
      assert.match(error.message, /put the batch of 1000 ms into a table of/)
    }))

  const mistakes: ReadonlyArray<readonly [row: (record: any) => any, what: RegExp]> = [
    [() => ["a"], /row gave 1 values for 2 columns \(sensor, celsius\)/],
    [() => ["a", undefined], /the value of celsius is undefined; write null where there is none/],
    [() => ["a", { degrees: 3 }], /the value of celsius is an object; .* for a column of JSON write JSON.stringify/],
    [() => [new Date(NaN), 1], /the value of sensor is an invalid Date/],
    [() => ["\ud800", 1], /half of a surrogate pair/],
    [() => ["a\0b", 1], /NUL character/],
    [() => Promise.resolve([]), /row gave a Promise; it has to give an array/]
  ]
  it.live(`${name}: what is no row is told on the executor, by its record, and is not tried again`, () =>
    Effect.gen(function* () {
      const { app, table, target } = yield* fresh(world)
      for (const [make, what] of mistakes) {
        const read = (record: unknown) => record === "good" ? ["a", 1] as const : make(record)
        const sink: Sql.SqlSink<unknown> = Sql.sink({ target, table, columns, row: read })
        const error = yield* Effect.flip(driverOf(sink, app).prepare(1000, ["good", "good", "bad"]))
        assert.match(error.message, what)
        assert.match(error.message, /for output "out" at record 2 of partition 0/)
        assert.ok(isPermanent(error))
      }
      const throwing: Sql.SqlSink<unknown> = Sql.sink({ target, table, columns, row: () => JSON.parse("{") })
      const error = yield* Effect.flip(driverOf(throwing, app).prepare(1000, ["x"]))
      assert.match(error.message, /at record 0 of partition 0, counted from 0: row failed: SyntaxError/)
    }))
}

const refusedTables = (world: World): void => {
  const { name } = world
  it.live(`${name}: a table or a column that is not there is told with its remedy`, () =>
    Effect.gen(function* () {
      const { app, commitsTable, table, target } = yield* fresh(world)
      const cases: ReadonlyArray<readonly [sink: Sql.SqlSink<any>, reason: string, what: RegExp]> = [
        [
          Sql.sink({ target, table: "nowhere", columns, row, commitsTable }),
          "MissingTable",
          /nowhere.*create it before the app starts/s
        ],
        [
          Sql.sink({ target, table, columns: ["sensor", "kelvin"], row, commitsTable }),
          "Columns",
          /kelvin.*compare the sink's columns/s
        ],
        [
          Sql.sink({ target, table, columns, row, commitsTable, upsert: ["sensor"] }),
          "Columns",
          /an upsert needs a unique index/
        ]
      ]
      for (const [sink, reason, what] of cases) {
        const driver = driverOf(sink, app)
        yield* driver.fence
        const error = yield* Effect.flip(driver.commit(1000, [["a", 1]]))
        assert.equal((error as Sql.SqlSinkError).reason, reason)
        assert.match(error.message, what)
      }
    }))

  it.live(`${name}: a table of commits that is none is told`, () =>
    Effect.gen(function* () {
      const { app, table, target } = yield* fresh(world)
      const driver = driverOf(Sql.sink({ target, table, columns, row, commitsTable: table }), app)
      const error = yield* Effect.flip(driver.fence)
      assert.equal((error as Sql.SqlSinkError).reason, "Columns")
      assert.match(error.message, new RegExp(`cannot use the table ${table} of`))
    }))

  it.live(`${name}: many drivers that start at once make the table of commits once`, () =>
    Effect.gen(function* () {
      const { app, commitsTable, table } = yield* fresh(world)
      const targets = yield* Effect.forEach(Array.from({ length: 6 }), () => connected(world))
      const fences = targets.map((target, i) =>
        driverOf(Sql.sink({ target, table, columns, row, commitsTable }), `${app} ${i}`).fence
      )
      yield* Effect.all(fences, { concurrency: "unbounded" })
      const [found] = yield* ask(targets[0]!, `SELECT count(*) AS n FROM ${commitsTable}`)
      assert.equal(Number(found!["n"]), 6)
    }))
}
