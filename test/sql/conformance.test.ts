/**
 * SQL sinks under the conformance kit: drivers that die at every step, sleep while another takes over, and repeat their batches.
 */
import * as assert from "node:assert/strict"
import * as path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Effect } from "effect"
import * as Sql from "../../adapters/sql/mod.ts"
import { sinkConformance } from "../../adapters/testing/mod.ts"
import { it } from "../kit.ts"
import { ask, connected, freshTable, sqliteFile, sqliteWorld, tableOf, type World } from "./contract.ts"
import { postgresWorld, withServer } from "./postgres.ts"

/** A database for each case, made before its drivers come: they may hold its locks while a reader looks. */
interface Cases {
  readonly name: string
  readonly worldOf: (target: string) => World
  readonly deathsMax: number
}

const conforms = ({ deathsMax, name, worldOf }: Cases, how: string, upsert?: ReadonlyArray<"id">): void => {
  it.live(`${name}: ${how} is exactly once, whichever step a driver dies or sleeps at`, () =>
    Effect.gen(function* () {
      const made = new Map<
        string,
        { readonly world: World; readonly table: string; readonly ids: () => Promise<ReadonlyArray<number>> }
      >()
      const caseOf = (target: string) =>
        Effect.gen(function* () {
          const found = made.get(target)
          if (found !== undefined) return found
          const world = worldOf(target)
          const maker = world.connect()
          const table = yield* tableOf(maker, `id integer ${upsert ? "PRIMARY KEY" : ""}`)
          const ids = () =>
            Effect.runPromise(
              Effect.map(ask(maker, `SELECT id FROM ${table}`), (rows) => rows.map(({ id }) => Number(id)))
            )
          const one = {
            world,
            table,
            ids: world.file === undefined ? ids : () => Promise.resolve(idsOf(world.file!, table))
          }
          made.set(target, one)
          return one
        })
      const report = yield* sinkConformance({
        make: (name) =>
          Effect.gen(function* () {
            const { table, world } = yield* caseOf(name)
            const target = yield* connected(world)
            return Sql.sink({
              target,
              table,
              columns: ["id"],
              row: (id: number) => [id],
              upsert,
              commitsTable: `${table}_commits`
            })
          }),
        read: (name) => Effect.flatMap(caseOf(name), ({ ids }) => Effect.promise(ids)),
        record: (id) => id,
        patienceMillis: 50,
        deathsMax
      })
      assert.deepEqual(report.failures, [])
      assert.equal(report.guarantee, "transactional")
      assert.ok(report.deaths === deathsMax, JSON.stringify(report))
    }), { timeout: 240_000 })
}

/** Without any lock, as a reader. */
const idsOf = (file: string, table: string): ReadonlyArray<number> => {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    return database.prepare(`SELECT id FROM ${table}`).all().map(({ id }) => Number(id))
  } finally {
    database.close()
  }
}

const folder = path.dirname(sqliteFile())
const files: Cases = {
  name: "SQLite",
  worldOf: (target) => sqliteWorld(path.join(folder, `${freshTable()} ${target}.db`)),
  deathsMax: 10
}
conforms(files, "an insert")
conforms({ ...files, deathsMax: 5 }, "an upsert", ["id"])

withServer("PostgreSQL under the conformance kit", (server) => {
  // What was killed holds its clock until then.
  const world = { ...postgresWorld(server), connect: () => Sql.postgres({ ...server.options, timeout: "10 seconds" }) }
  conforms({ name: "PostgreSQL", worldOf: () => world, deathsMax: 12 }, "an insert")
})
