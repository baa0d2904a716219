/**
 * SQL sinks over a making of `SqlTarget`: rows and commit id in one transaction, fencing, errors with their row and remedy.
 */
import * as assert from "node:assert/strict"
import { Deferred, Effect, Fiber } from "effect"
import { Sink } from "../../core/mod.ts"
import * as Sql from "../../adapters/sql/mod.ts"
import { it } from "../kit.ts"
import { ask, connected, freshTable, tableOf, type World } from "./contract.ts"
import { columns, driverOf, fresh, type Reading, row } from "./readings.ts"
import { refusals } from "./refusals.ts"

export const sinkContract = (world: World): void => {
  exactlyOnce(world)
  drivers(world)
  writing(world)
  refusals(world)
}

const exactlyOnce = (world: World): void => {
  const { name } = world
  it.live(`${name}: a batch's rows are there once, however often it is committed, in whatever partitions`, () =>
    Effect.gen(function* () {
      const { app, rows, sink } = yield* fresh(world)
      const one = driverOf(sink, app)
      yield* one.fence
      yield* one.commit(1000, [["a", 1], ["b", 2]], [["c", 3.5]])
      yield* one.commit(1000, [["a", 1]], [["b", 2]], [["c", 3.5]])
      yield* one.commit(2000, [], [])
      const two = driverOf(sink, app, 2)
      yield* two.fence
      for (const time of [2000, 1000]) yield* two.commit(time, [["a", 1], ["b", 2], ["c", 3.5]])
      yield* two.commit(3000, [["d", 4]])
      assert.deepEqual(yield* rows, [["a", 1], ["b", 2], ["c", 3.5], ["d", 4]])
    }))

  it.live(`${name}: the table of commits holds how far each output is, and by which driver`, () =>
    Effect.gen(function* () {
      const { app, commitsTable, sink, target } = yield* fresh(world)
      yield* driverOf(sink, app, 3).fence
      const read = Effect.map(
        ask(target, `SELECT app, output, epoch, batch_time, batch_epoch FROM ${commitsTable}`),
        (rows) =>
          rows.map((row) => Object.values(row).map((value) => typeof value === "bigint" ? Number(value) : value))
      )
      assert.deepEqual(yield* read, [[app, "out", 3, null, null]])
      yield* driverOf(sink, app, 3).commit(1_790_000_000_000, [["a", 1]])
      yield* driverOf(sink, app, 4).fence
      assert.deepEqual(yield* read, [[app, "out", 4, 1_790_000_000_000, 3]])
    }))

  it.live(`${name}: a commit of which nobody heard that it was done is found when it is tried again`, () =>
    Effect.gen(function* () {
      const { app, commitsTable, rows, table, target } = yield* fresh(world)
      let lost = 0
      // The connection is lost right after the commit.
      const losing: Sql.SqlTarget = {
        ...target,
        transaction: (work) =>
          Effect.tap(
            target.transaction(work),
            () =>
              lost++ === 1
                ? Effect.fail(new Sql.StatementFailed({ reason: "Unavailable", message: "the connection was lost" }))
                : Effect.void
          )
      }
      const driver = driverOf(Sql.sink({ target: losing, table, columns, row, commitsTable }), app)
      // Its table of commits is made: that is a transaction before the one that fences.
      yield* driverOf(Sql.sink({ target, table, columns, row, commitsTable }), app).fence
      yield* driver.fence
      yield* driver.commit(1000, [["a", 1]])
      assert.equal(lost, 3)
      assert.deepEqual(yield* rows, [["a", 1]])
    }))

  it.live(`${name}: outputs and apps keep apart`, () =>
    Effect.gen(function* () {
      const { app, rows, sink } = yield* fresh(world)
      const [one, other] = [driverOf(sink, app, 5), driverOf(sink, `${app}/out`, 1)]
      yield* one.fence
      yield* other.fence
      yield* one.commit(1000, [["a", 1]])
      yield* other.commit(1000, [["a", 1]])
      assert.equal((yield* rows).length, 2)
    }))
}

const drivers = (world: World): void => {
  const { name } = world
  it.live(`${name}: a driver of an older epoch is fenced, and names who has taken over`, () =>
    Effect.gen(function* () {
      const { app, rows, sink } = yield* fresh(world)
      const [old, young] = [driverOf(sink, app, 1), driverOf(sink, app, 4)]
      yield* old.fence
      yield* old.commit(1000, [["a", 1]])
      yield* young.fence
      for (const late of [old.commit(2000, [["b", 2]]), old.commit(1000, [["a", 1]]), old.fence]) {
        const fenced = yield* Effect.flip(late)
        assert.ok(fenced instanceof Sink.Fenced, String(fenced))
        assert.deepEqual([fenced.epoch, fenced.current], [1, 4])
      }
      yield* young.commit(2000, [["b", 2]])
      assert.deepEqual(yield* rows, [["a", 1], ["b", 2]])
    }))

  it.live(`${name}: of two drivers at once, each with its connection, one commits a batch and the other finds it`, () =>
    Effect.gen(function* () {
      const { app, commitsTable, rows, sink, table } = yield* fresh(world)
      const other = Sql.sink({ target: yield* connected(world), table, columns, row, commitsTable })
      const batch = Array.from({ length: 200 }, (_, i): Reading => [`s${i}`, i])
      const [one, two] = [driverOf(sink, app, 1), driverOf(other, app, 1)]
      yield* one.fence
      yield* two.fence
      yield* Effect.all([one.commit(1000, batch), two.commit(1000, batch), one.commit(1000, batch)], {
        concurrency: "unbounded"
      })
      assert.equal((yield* rows).length, 200)
    }))

  it.live(`${name}: a fence waits for a commit that is under way, which then counts`, () =>
    Effect.gen(function* () {
      const { app, commitsTable, rows, sink, table, target } = yield* fresh(world)
      const within = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const slow: Sql.SqlTarget = {
        ...target,
        transaction: (work) =>
          target.transaction((run) =>
            Effect.tap(work(run), () => Effect.andThen(Deferred.succeed(within, void 0), Deferred.await(goOn)))
          )
      }
      yield* driverOf(sink, app, 1).fence
      const old = driverOf(Sql.sink({ target: slow, table, columns, row, commitsTable }), app, 1)
      const committing = yield* Effect.forkChild(old.commit(1000, [["a", 1]]))
      yield* Deferred.await(within)
      const young = driverOf(Sql.sink({ target: yield* connected(world), table, columns, row, commitsTable }), app, 2)
      const fencing = yield* Effect.forkChild(young.fence)
      yield* Effect.sleep(20)
      assert.equal(fencing.pollUnsafe(), undefined)
      yield* Deferred.succeed(goOn, void 0)
      yield* Fiber.join(committing)
      yield* Fiber.join(fencing)
      yield* young.commit(1000, [["a", 1]])
      assert.deepEqual(yield* rows, [["a", 1]])
    }))

  it.live(`${name}: an earlier batch under the same epoch is an error, and is not silently left out`, () =>
    Effect.gen(function* () {
      const { app, sink } = yield* fresh(world)
      const driver = driverOf(sink, app)
      yield* driver.fence
      yield* driver.commit(2000, [["a", 1]])
      const error = yield* Effect.flip(driver.commit(1000, [["b", 2]]))
      assert.equal((error as Sql.SqlSinkError).reason, "Commits")
      assert.match(error.message, /batch of 1000 ms .* after that of 2000 ms was committed.*a clock was set back/s)
    }))

  it.live(`${name}: a row of commits that somebody took out is an error`, () =>
    Effect.gen(function* () {
      const { app, commitsTable, rows, sink, target } = yield* fresh(world)
      const driver = driverOf(sink, app)
      yield* driver.fence
      yield* ask(target, `DELETE FROM ${commitsTable}`)
      const error = yield* Effect.flip(driver.commit(1000, [["b", 2]]))
      assert.match(error.message, /was taken out of the table .* start the app again/)
      assert.deepEqual(yield* rows, [])
    }))
}

const writing = (world: World): void => {
  const { name } = world
  it.live(`${name}: batches of any size are written, large and wide ones in pieces`, () =>
    Effect.gen(function* () {
      const { app, commitsTable, rows, sink, target } = yield* fresh(world)
      const driver = driverOf(sink, app)
      yield* driver.fence
      let total = 0
      for (const [index, size] of [0, 1, 2, 15, 513, 3000].entries()) {
        const records = Array.from({ length: size }, (_, i): Reading => [`batch ${index} row ${i}`, i])
        yield* driver.commit((index + 1) * 1000, records.slice(0, size / 3), records.slice(size / 3))
        total += size
      }
      assert.equal((yield* rows).length, total)
      const names = Array.from({ length: 300 }, (_, i) => `c${i}`)
      const wide = yield* tableOf(target, names.map((column) => `${column} text`).join(", "))
      const wideRow = (n: number) => names.map((column) => `${column} ${n}`)
      const wideDriver = driverOf(
        Sql.sink({ target, table: wide, columns: names, row: wideRow, commitsTable }),
        `${app} wide`
      )
      yield* wideDriver.fence
      yield* wideDriver.commit(1000, Array.from({ length: 500 }, (_, n) => n))
      const [found] = yield* ask(target, `SELECT count(*) AS n, max(c299) AS last FROM ${wide}`)
      assert.deepEqual([Number(found!["n"]), found!["last"]], [500, "c299 99"])
    }))

  it.live(`${name}: upsert replaces rows by their key; of one key's rows in a batch the last counts`, () =>
    Effect.gen(function* () {
      const { app, commitsTable, rows, table, target } = yield* fresh(
        world,
        "sensor text PRIMARY KEY, celsius double precision"
      )
      const driver = driverOf(Sql.sink({ target, table, columns, row, commitsTable, upsert: ["sensor"] }), app)
      yield* driver.fence
      yield* driver.commit(1000, [["a", 1], ["b", 2], ["a", 3]], [["c", 1], ["b", 5]])
      yield* driver.commit(2000, [["a", 9]])
      assert.deepEqual(yield* rows, [["a", 9], ["b", 5], ["c", 1]])
      const keys = driverOf(
        Sql.sink({
          target,
          table,
          columns: ["sensor"],
          row: ([sensor]: Reading) => [sensor],
          commitsTable,
          upsert: ["sensor"]
        }),
        `${app} keys`
      )
      yield* keys.fence
      yield* keys.commit(1000, [["a", 0], ["d", 0]])
      assert.deepEqual(yield* rows, [["a", 9], ["b", 5], ["c", 1], ["d", null]])
    }))

  it.live(`${name}: a statement of the user's own runs once for each record, in order`, () =>
    Effect.gen(function* () {
      const { app, commitsTable, rows, table, target } = yield* fresh(
        world,
        "sensor text PRIMARY KEY, celsius double precision"
      )
      const at = target.dialect.placeholder
      const statement = `INSERT INTO ${table} AS t VALUES (${at(1)}, ${at(2)}) ` +
        `ON CONFLICT (sensor) DO UPDATE SET celsius = t.celsius + excluded.celsius`
      const driver = driverOf(Sql.sink({ target, statement, row, commitsTable }), app)
      yield* driver.fence
      yield* driver.commit(1000, [["a", 1], ["a", 2]], [["b", 1]])
      yield* driver.commit(1000, [["a", 1], ["a", 2]], [["b", 1]])
      yield* driver.commit(2000, [["a", 4]])
      assert.deepEqual(yield* rows, [["a", 7], ["b", 1]])
    }))

  it.live(`${name}: names are taken as they are written, and hold no statements`, () =>
    Effect.gen(function* () {
      const target = yield* connected(world)
      const table = `Odd "name"; DROP TABLE x ${freshTable()}`
      const column = `celsius") VALUES (1); --`
      const quote = (name: string) => `"${name.replaceAll('"', '""')}"`
      yield* ask(target, `CREATE TABLE ${quote(table)} ("Order" integer, ${quote(column)} text)`)
      const commitsTable = `Commits ${freshTable()}`
      const driver = driverOf(
        Sql.sink({ target, table, columns: ["Order", column], row: (n: number) => [n, "'x"], commitsTable }),
        "app"
      )
      yield* driver.fence
      yield* driver.commit(1000, [1, 2])
      const rows = yield* ask(target, `SELECT * FROM ${quote(table)} ORDER BY 1`)
      assert.deepEqual(rows, [{ Order: 1, [column]: "'x" }, { Order: 2, [column]: "'x" }])
    }))
}
