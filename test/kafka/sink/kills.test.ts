/**
 * The real program on a real broker, killed with SIGKILL again and again: all records of the topic "in" are in the topic "out" once each, in order
 * per key, as Kafka's own consumer reads what is committed.
 */
import * as assert from "node:assert/strict"
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, type Scope } from "effect"
import { connect } from "../../../adapters/kafka/client/connect.ts"
import type { KafkaCluster } from "../../../adapters/kafka/KafkaCluster.ts"
import { encode } from "../../../adapters/kafka/records/encode.ts"
import { partitionOfKey } from "../../../adapters/kafka/sink/murmur2.ts"
import { Chance } from "../../../adapters/simulation/kernel/Chance.ts"
import { terminate } from "../../cli/command.ts"
import { it } from "../../kit.ts"
import { type Broker, createTopic, startBroker } from "../broker.ts"
import { consumeCommitted, type Consumed } from "./javaConsumer.ts"

const broker = await startBroker()

const main = fileURLToPath(new URL("../../../adapters/cli/main.ts", import.meta.url))
const program = fileURLToPath(new URL("./programs/copying.ts", import.meta.url))
const isDeno = "Deno" in globalThis
const runtime = isDeno ? ["run", "-A"] : ["--conditions=dstreams-source"]

/** Deno sees a third of what Node does: the same code, and each run is a minute of CI. */
const [records, kills] = isDeno ? [30_000, 3] : [100_000, 10]
const keys = 100
const partitionsIn = 4
const partitionsOut = 3
/** Records a second of each partition: all of them take half a minute. */
const rate = 1000

const keyOf = (n: number) => `k${n % keys}`

/** Number n has the key n % keys. */
const fill = (cluster: KafkaCluster): Effect.Effect<void, unknown> =>
  Effect.forEach(Array.from({ length: partitionsIn }, (_, partition) => partition), (partition) => {
    const own = Array.from({ length: records }, (_, n) => n).filter((n) =>
      partitionOfKey(keyOf(n), partitionsIn) === partition
    )
    const pieces = Array.from({ length: Math.ceil(own.length / 5000) }, (_, i) => own.slice(i * 5000, i * 5000 + 5000))
    return Effect.forEach(pieces, (piece) => {
      const batch = encode(piece.map((n) => ({ key: keyOf(n), value: String(n), timestamp: 0 })))
      return cluster.produce({ topic: "in", partition, batch })
    }, { discard: true })
  }, { discard: true })

const start = ({ bootstrap }: Broker, place: string, master: string) => {
  const config = [`DSTREAMS_CHECKPOINT_DIRECTORY=${place}`, `RATE=${rate}`].flatMap((pair) => ["--config", pair])
  const args = [...runtime, main, "run", program, "--bootstrap", bootstrap, "--master", master, ...config]
  const child = childProcess.spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] })
  let said = ""
  child.stdout.on("data", (text) => said += text)
  child.stderr.on("data", (text) => said += text)
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve))
  return { child, ended: Effect.promise(() => ended), said: () => said }
}

/** How far what is committed goes, markers included. */
const progressOf = (cluster: KafkaCluster): Effect.Effect<number, unknown> =>
  Effect.map(
    cluster.offsets(
      Array.from({ length: partitionsOut }, (_, partition) => ({ topic: "out", partition })),
      "latest",
      "committed"
    ),
    (ends) => ends.reduce((sum, { offset }) => sum + offset, 0)
  )

const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "kafka-kills-"))),
  (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
)

/** Until so much is committed. */
const until = (
  cluster: KafkaCluster,
  run: ReturnType<typeof start>,
  offsets: number
): Effect.Effect<void, unknown> =>
  Effect.flatMap(progressOf(cluster), (now) => {
    if (run.child.exitCode !== null) return Effect.die(new Error(`it ended by itself: ${run.said()}`))
    return now >= offsets ? Effect.void : Effect.andThen(Effect.sleep(50), until(cluster, run, offsets))
  })

const judge = (consumed: ReadonlyArray<Consumed>): void => {
  const numbers = consumed.map(({ value }) => Number(value))
  const seen = new Set(numbers)
  assert.equal(numbers.length - seen.size, 0, "there are copies")
  const missing = Array.from({ length: records }, (_, n) => n).filter((n) => !seen.has(n))
  assert.deepEqual(missing.slice(0, 20), [], `${missing.length} are missing`)
  assert.equal(seen.size, records)
  const last = new Map<string, number>()
  for (const { key, partition, value } of consumed) {
    assert.equal(key, keyOf(Number(value)))
    assert.equal(partition, partitionOfKey(key, partitionsOut))
    assert.ok(Number(value) > (last.get(key) ?? -1), `${value} of ${key} comes after ${last.get(key)}`)
    last.set(key, Number(value))
  }
}

if (broker !== undefined) {
  it.live(
    `${records} records, killed ${kills} times: each is in the topic once, in order per key`,
    () =>
      Effect.gen(function* () {
        yield* Effect.promise(() => createTopic(broker, "in", partitionsIn))
        yield* Effect.promise(() => createTopic(broker, "out", partitionsOut))
        const cluster = yield* connect({ brokers: broker.bootstrap })
        yield* fill(cluster)
        const chance = new Chance(11, "kafka kills")
        const place = path.join(yield* folder, "kept")
        for (let life = 0; life < kills; life++) {
          const before = yield* progressOf(cluster)
          const run = start(broker, place, ["local[2]", "local", "local[3]"][life % 3]!)
          yield* Effect.addFinalizer(() => Effect.sync(() => void run.child.kill("SIGKILL")))
          // Most are killed while they write, some while they recover.
          if (chance.coin(0.8)) yield* until(cluster, run, before + 1)
          yield* Effect.sleep(chance.between(0, 900))
          run.child.kill("SIGKILL")
          yield* run.ended
        }
        const halfway = yield* progressOf(cluster)
        assert.ok(halfway > 0 && halfway < records, `${halfway} offsets are committed when the last was killed`)
        const run = start(broker, place, "local[2]")
        yield* Effect.addFinalizer(() => Effect.sync(() => void run.child.kill("SIGKILL")))
        yield* until(cluster, run, records)
        // Markers count too: until nothing more comes.
        for (let now = 0, then = -1; now !== then;) {
          then = now
          yield* Effect.sleep(2500)
          now = yield* progressOf(cluster)
        }
        terminate(run.child)
        assert.equal(yield* run.ended, 0, run.said())
        judge(yield* consumeCommitted(broker, "out"))
      }),
    { timeout: 300_000 }
  )
}
