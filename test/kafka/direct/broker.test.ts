/**
 * The streams on a real broker: what they read while it is killed and started again, while drivers die, while topics change, and what idle
 * partitions cost.
 */
import * as assert from "node:assert/strict"
import { Effect, Logger, type Scope } from "effect"
import { connect } from "../../../adapters/kafka/client/connect.ts"
import type { KafkaCluster } from "../../../adapters/kafka/KafkaCluster.ts"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import { encode } from "../../../adapters/kafka/records/encode.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import type { AnyOutput } from "../../../core/dstream/Output.ts"
import { memoryStorage } from "../../../runtime/storage/memoryStorage.ts"
import * as lives from "../../checkpoint/lives.ts"
import { type Collected, recordsOf } from "../../driver/collected.ts"
import * as Local from "../../driver/local.ts"
import { it } from "../../kit.ts"
import { createTopic, deleteTopic, startBroker } from "../broker.ts"

const broker = await startBroker()

type Values = Collected<Kafka.KafkaRecord<Uint8Array, string>>

let topics = 0
const freshTopic = (partitions = 1) => {
  const topic = `in-${++topics}`
  return Effect.as(Effect.promise(() => createTopic(broker!, topic, partitions)), topic)
}

/** For what tests write. */
const cluster: Effect.Effect<KafkaCluster, Kafka.KafkaError, Scope.Scope> = Effect.suspend(() =>
  connect({ brokers: broker!.bootstrap })
)

const send = (to: KafkaCluster, topic: string, partition: number, values: ReadonlyArray<string>) =>
  to.produce({ topic, partition, batch: encode(values.map((value) => ({ value, timestamp: 1 }))) })

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i))

const appOf = (outputs: ReadonlyArray<AnyOutput>, batchDuration = 200) =>
  StreamingApp.make({ name: "in", batchDuration, outputs }) as StreamingApp.StreamingApp

const stream = (topics: string | RegExp, options: Partial<Kafka.StreamOptions & Kafka.ReadOptions<any, any>> = {}) =>
  Kafka.directStream({ brokers: broker!.bootstrap, topics, value: Kafka.text, start: "earliest", ...options }).pipe(
    DStream.named("in")
  ) as DStream.DStream<Kafka.KafkaRecord<Uint8Array, string>, Kafka.KafkaError>

/** Waits until it holds, or fails with how it stands. */
const until = (holds: () => boolean, stands: () => unknown = () => "not yet") =>
  Effect.gen(function* () {
    for (let tries = 0; !holds(); tries++) {
      assert.ok(tries < 400, JSON.stringify(stands()))
      yield* Effect.sleep(50)
    }
  })

/** Values of each partition, in the order in which they came. */
const byPartition = (seen: Values) =>
  Object.fromEntries(
    [...Map.groupBy(recordsOf(seen), ({ partition }) => partition)].map(([partition, records]) => [
      partition,
      records.map(({ value }) => value)
    ])
  )

const heard = () => {
  const messages: Array<string> = []
  return { messages, layer: Logger.layer([Logger.make(({ message }) => void messages.push(String(message)))]) }
}

if (broker !== undefined) {
  it.live("records of all partitions are read once, in order, while they are written, over several executors", () =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(3)
      const to = yield* cluster
      const seen: Values = []
      yield* Local.start(appOf([stream(topic).pipe(DStream.collectTo(seen))]), { executors: 2, coded: true })
      for (let i = 0; i < 30; i++) {
        yield* send(to, topic, i % 3, numbers(i * 100, i * 100 + 100))
        yield* Effect.sleep(20)
      }
      yield* until(() => recordsOf(seen).length >= 3000, () => recordsOf(seen).length)
      const wanted = (partition: number) =>
        Array.from({ length: 10 }, (_, i) => numbers((3 * i + partition) * 100, (3 * i + partition) * 100 + 100)).flat()
      assert.deepEqual(byPartition(seen), { 0: wanted(0), 1: wanted(1), 2: wanted(2) })
    }))

  it.live(
    "a broker that is killed and started again loses nothing, is told at once, and is not asked without pause",
    () =>
      Effect.gen(function* () {
        const topic = yield* freshTopic(2)
        const seen: Values = []
        const { layer, messages } = heard()
        yield* Local.start(appOf([stream(topic).pipe(DStream.collectTo(seen))])).pipe(Effect.provide(layer))
        yield* Effect.scoped(Effect.flatMap(cluster, (to) => send(to, topic, 0, numbers(0, 50))))
        yield* until(() => recordsOf(seen).length === 50)
        // It is started again whatever is found: other tests need it.
        const away = Effect.acquireRelease(
          Effect.promise(() => broker.kill()),
          () => Effect.promise(() => broker.start())
        )
        yield* Effect.scoped(Effect.gen(function* () {
          yield* away
          yield* until(
            () => messages.some((message) => message.includes("batches take nothing from there")),
            () => messages
          )
          // The thread's own: Deno runs several files of tests in one process.
          const before = process.threadCpuUsage()
          yield* Effect.sleep(3000)
          const { system, user } = process.threadCpuUsage(before)
          assert.ok((system + user) / 3_000_000 < 0.5, `${(system + user) / 1000} ms of work in 3 s`)
        }))
        const to = yield* cluster
        yield* Effect.retry(send(to, topic, 1, numbers(50, 100)), {
          while: ({ isRetryable }) => isRetryable,
          times: 200
        })
        yield* until(() => recordsOf(seen).length >= 100, () => [recordsOf(seen).length, messages])
        assert.deepEqual(byPartition(seen), { 0: numbers(0, 50), 1: numbers(50, 100) })
        assert.equal(messages.filter((message) => message.includes("batches take nothing from there")).length, 1)
        assert.equal(messages.filter((message) => message.includes("Kafka is there again")).length, 1)
      }),
    { timeout: 90_000 }
  )

  it.live(
    "a driver that dies is followed by one that goes on where it stood, also in a partition that was idle",
    () =>
      Effect.gen(function* () {
        const topic = yield* freshTopic(2)
        const to = yield* cluster
        const storage = memoryStorage()
        const seen: Values = []
        const app = appOf([
          stream(topic, { start: "latest", commitTo: `group of ${topic}` }).pipe(
            DStream.collectTo(seen, { name: "out" })
          )
        ])
        yield* send(to, topic, 0, ["before the start"])
        for (let life = 0; life < 4; life++) {
          yield* Effect.scoped(Effect.gen(function* () {
            yield* lives.start(app, { storage })
            yield* send(to, topic, 1, numbers(life * 10, life * 10 + 5))
            yield* until(() => recordsOf(seen).some(({ value }) => value === String(life * 10 + 4)))
          }))
          storage.crash()
          yield* send(to, topic, 1, numbers(life * 10 + 5, life * 10 + 10))
        }
        yield* send(to, topic, 0, ["after an hour"])
        yield* lives.start(app, { storage })
        yield* until(() => recordsOf(seen).some(({ partition }) => partition === 0))
        yield* until(() => recordsOf(seen).some(({ value }) => value === "39"))
        const { 0: idle, 1: busy } = byPartition(seen)
        assert.deepEqual(idle, ["after an hour"])
        assert.deepEqual([...new Set(busy)], numbers(0, 40))
        yield* Effect.sleep(500)
        const committed = yield* to.committedOffsets(`group of ${topic}`, [{ topic, partition: 1 }], { stable: true })
        assert.deepEqual(committed.map(({ offset }) => offset), [40])
      }),
    { timeout: 60_000 }
  )

  it.live("topics that match a pattern join; one that is deleted and created again is an error that says so", () =>
    Effect.gen(function* () {
      const prefix = `pattern-${++topics}`
      yield* Effect.promise(() => createTopic(broker, `${prefix}-a`))
      const to = yield* cluster
      const seen: Values = []
      const running = yield* Local.start(
        appOf([stream(new RegExp(`^${prefix}`), { discoverEvery: "200 millis" }).pipe(DStream.collectTo(seen))])
      )
      yield* send(to, `${prefix}-a`, 0, ["a"])
      yield* Effect.promise(() => createTopic(broker, `${prefix}-b`, 2))
      yield* send(to, `${prefix}-b`, 1, ["b"])
      yield* until(() => recordsOf(seen).length === 2)
      yield* Effect.promise(() => deleteTopic(broker, `${prefix}-a`))
      const failure = yield* Effect.flip(running.awaitTermination)
      assert.match(String(failure), new RegExp(`topic ${prefix}-a.*was deleted`, "i"))
    }))

  it.live("a topic that was made anew is not taken for the one before; by policy it is read from its first record", () =>
    Effect.gen(function* () {
      const topic = yield* freshTopic()
      const to = yield* cluster
      const seen: Values = []
      const { layer, messages } = heard()
      yield* Local.start(appOf([stream(topic, { onLoss: "skip" }).pipe(DStream.collectTo(seen))])).pipe(
        Effect.provide(layer)
      )
      yield* send(to, topic, 0, numbers(0, 3))
      yield* until(() => recordsOf(seen).length === 3)
      yield* Effect.promise(() => deleteTopic(broker, topic))
      yield* Effect.promise(() => createTopic(broker, topic))
      const again = yield* cluster
      yield* send(again, topic, 0, numbers(10, 15))
      yield* until(() => recordsOf(seen).length > 3, () => messages)
      yield* Effect.sleep(500)
      const values = recordsOf(seen).map(({ value }) => value)
      // Found deleted, it is given up, and then found as a new one; or it is found created again.
      assert.deepEqual(values, [...numbers(0, 3), ...numbers(10, 15)])
      assert.match(messages.join("\n"), /deleted/)
    }))

  it.live(
    "receivers of a group share its partitions, and records survive that one leaves",
    () =>
      Effect.gen(function* () {
        const topic = yield* freshTopic(4)
        const to = yield* cluster
        const first: Values = []
        const second: Values = []
        const grouped = (seen: Values) =>
          Local.start(appOf([
            Kafka.receiverStream({
              brokers: broker.bootstrap,
              topics: topic,
              group: `group of ${topic}`,
              value: Kafka.text,
              start: "earliest"
            }).pipe(DStream.collectTo(seen))
          ]))
        let sent = 0
        const more = Effect.gen(function* () {
          for (let i = 0; i < 8; i++) yield* send(to, topic, i % 4, [String(sent++)])
        })
        const all = () => [...recordsOf(first), ...recordsOf(second)].map(({ value }) => Number(value))
        yield* grouped(first)
        yield* more
        yield* until(() => new Set(all()).size === sent)
        yield* Effect.scoped(Effect.gen(function* () {
          yield* grouped(second)
          while (recordsOf(second).length === 0) {
            yield* more
            yield* Effect.sleep(200)
          }
          yield* until(() => new Set(all()).size === sent, () => [all().length, sent])
        }))
        yield* more
        yield* until(() => new Set(all()).size === sent, () => [all().length, sent])
      }),
    { timeout: 90_000 }
  )
}
