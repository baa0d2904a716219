/**
 * A driver that is killed in the middle of its commits, again and again, and started with other numbers of executors: each row of each
 * batch is there once, and a statement that adds has added once.
 */
import * as assert from "node:assert/strict"
import * as childProcess from "node:child_process"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { it } from "../kit.ts"
import { Chance } from "../../adapters/simulation/kernel/Chance.ts"
import { ask, connected, sqliteFile, sqliteWorld, type World } from "./contract.ts"
import { password, postgresWorld, withServer } from "./postgres.ts"

const main = fileURLToPath(new URL("../../adapters/cli/main.ts", import.meta.url))
const program = fileURLToPath(new URL("./programs/committing.ts", import.meta.url))
const runtime = "Deno" in globalThis ? ["run", "-A"] : ["--conditions=dstreams-source"]
const kills = 5
const rowsOfBatch = 600

const start = (master: string, config: Record<string, string>) => {
  const given = Object.entries(config).flatMap(([name, value]) => ["--config", `${name}=${value}`])
  const child = childProcess.spawn(process.execPath, [...runtime, main, "run", program, "--master", master, ...given], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PGPASSWORD: password }
  })
  let said = ""
  child.stdout.on("data", (text) => said += text)
  child.stderr.on("data", (text) => said += text)
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve))
  return { child, ended: Effect.promise(() => ended), said: () => said }
}

const survives = (world: World, config: Record<string, string>): void => {
  it.live(
    `${world.name}: rows are there once, whenever the driver is killed and with whatever executors it comes again`,
    () =>
      Effect.gen(function* () {
        const reader = yield* connected(world)
        const chance = new Chance(7, world.name)
        yield* ask(reader, "CREATE TABLE numbers (batch integer, n integer)")
        yield* ask(reader, "CREATE TABLE counted (id integer PRIMARY KEY, n integer)")
        const count = Effect.map(ask(reader, "SELECT count(*) AS n FROM numbers"), (rows) => Number(rows[0]!["n"]))
        const place = path.join(path.dirname(sqliteFile()), "kept")
        /** Until there are rows that were not there before. */
        const progress = (run: ReturnType<typeof start>, before: number): Effect.Effect<void, unknown> =>
          Effect.flatMap(count, (now) => {
            if (run.child.exitCode !== null) return Effect.die(new Error(`it ended by itself: ${run.said()}`))
            return now > before ? Effect.void : Effect.andThen(Effect.sleep(20), progress(run, before))
          })
        for (let life = 0; life < kills; life++) {
          const before = yield* count
          const run = start(["local[2]", "local", "local[3]"][life % 3]!, {
            ...config,
            DSTREAMS_CHECKPOINT_DIRECTORY: place
          })
          yield* Effect.addFinalizer(() => Effect.sync(() => void run.child.kill("SIGKILL")))
          yield* progress(run, before)
          yield* Effect.sleep(chance.between(0, 400))
          run.child.kill(life < kills ? "SIGKILL" : "SIGTERM")
          const code = yield* run.ended
          if (life === kills) assert.equal(code, 0, run.said())
        }
        const batches = yield* ask(
          reader,
          "SELECT batch, count(*) AS all_rows, count(DISTINCT n) AS different FROM numbers GROUP BY batch ORDER BY batch"
        )
        assert.ok(batches.length > kills)
        const found = batches.map((row) => [row["batch"], row["all_rows"], row["different"]].map(Number))
        assert.deepEqual(found, found.map((_, batch) => [batch, rowsOfBatch, rowsOfBatch]))
        const [counted] = yield* ask(reader, "SELECT n FROM counted")
        // The outputs of a batch come one after the other: the last kill may have come between them.
        const behind = found.length - Number(counted!["n"]) / (rowsOfBatch / 20)
        assert.ok(behind === 0 || behind === 1, `${behind} batches behind`)
      }),
    { timeout: 180_000 }
  )
}

const file = sqliteFile()
survives(sqliteWorld(file), { SQLITE: file })

withServer(
  "PostgreSQL under a driver that is killed",
  (server) => survives(postgresWorld(server), { PGPORT: String(server.options.port) })
)
