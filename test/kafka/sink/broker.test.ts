/**
 * The sinks on a real broker: under the conformance kit, while it is killed, started again or hangs, and what it refuses.
 */
import * as assert from "node:assert/strict"
import { Effect, Fiber, Redacted, Schedule } from "effect"
import { connect } from "../../../adapters/kafka/client/connect.ts"
import type { KafkaCluster, TopicPartition } from "../../../adapters/kafka/KafkaCluster.ts"
import type { KafkaConnection } from "../../../adapters/kafka/KafkaConnection.ts"
import { KafkaError } from "../../../adapters/kafka/KafkaError.ts"
import { sink } from "../../../adapters/kafka/sink/sink.ts"
import { decode } from "../../../adapters/kafka/records/decode.ts"
import type { KafkaRecord } from "../../../adapters/kafka/KafkaRecord.ts"
import { sinkConformance } from "../../../adapters/testing/mod.ts"
import { it } from "../../kit.ts"
import { createTopic, startBroker } from "../broker.ts"
import { entries, type Entry, options, output, role } from "./roles.ts"
import * as Sink from "../../../core/output/Sink.ts"

const broker = await startBroker({ secured: true })

/** What readers see who wait for what is committed: markers are written a while after the answer to a commit. */
const committed = (
  topic: string,
  partitions = 3
): Effect.Effect<ReadonlyArray<KafkaRecord<string, string>>, KafkaError> =>
  Effect.retry(
    Effect.scoped(Effect.gen(function* () {
      const cluster = yield* connect({ brokers: broker!.bootstrap })
      const records: Array<KafkaRecord<string, string>> = []
      for (let partition = 0; partition < partitions; partition++) {
        const where = { topic, partition }
        const end = yield* stableEnd(cluster, where)
        let from = 0
        while (from < end) {
          const request = {
            ...where,
            offset: from,
            maxBytes: 1 << 20,
            waitMillis: 100,
            isolation: "committed"
          } as const
          const { aborted, bytes } = yield* cluster.fetch(request)
          from = decode(bytes, { ...where, from, until: end, aborted, key: "text", value: "text" }, records).next
        }
      }
      return records
    })),
    { while: ({ isRetryable }) => isRetryable, times: 100, schedule: Schedule.spaced(100) }
  )

/** Open transactions of drivers that died may stay: then the end is not waited for longer. */
const stableEnd = (cluster: KafkaCluster, where: TopicPartition): Effect.Effect<number, KafkaError> =>
  Effect.gen(function* () {
    for (let tries = 0;; tries++) {
      const [[committed], [all]] = yield* Effect.all([
        cluster.offsets([where], "latest", "committed"),
        cluster.offsets([where], "latest", "uncommitted")
      ])
      if (committed!.offset === all!.offset || tries === 10) return committed!.offset
      yield* Effect.sleep(20)
    }
  })

let topics = 0
const freshTopic = (partitions = 3, configs: Readonly<Record<string, string>> = {}) => {
  const topic = `out-${++topics}`
  return Effect.as(Effect.promise(() => createTopic(broker!, topic, partitions, configs)), topic)
}

const connection = (more: Partial<KafkaConnection> = {}) => ({ brokers: broker!.bootstrap, ...more })

/** Processes of an app of their own. */
const roleFor = (topic: string, more: Parameters<typeof role>[1] = {}) =>
  role(connect, { ...connection(), topic, deliveryTimeout: "1 minute", ...more })

if (broker !== undefined) {
  it.live(
    "transactional: the sink keeps what it promises on a real broker, whichever step a driver dies or sleeps at",
    () =>
      Effect.gen(function* () {
        const made = new Set<string>()
        const topicOf = (target: string) =>
          Effect.gen(function* () {
            if (!made.has(target)) yield* Effect.promise(() => createTopic(broker, target, 2))
            made.add(target)
            return target
          })
        const report = yield* sinkConformance({
          make: (target) =>
            Effect.gen(function* () {
              const topic = yield* topicOf(target)
              const { fence, write, ...rest } = sink<number>({
                ...connection(),
                topic,
                key: (id) => String(id),
                value: (id) => String(id)
              })
              return {
                ...rest,
                write: (records: ReadonlyArray<number>, context: Sink.PartitionContext) =>
                  write(records, { ...context, app: target }),
                fence: (output: Sink.OutputContext) => fence!({ ...output, app: target })
              }
            }),
          read: (target) => Effect.map(committed(target, 2), (records) => records.map(({ value }) => Number(value))),
          record: (id) => id,
          patienceMillis: 2000,
          deathsMax: 6
        })
        assert.deepEqual(report.failures, [])
        assert.equal(report.guarantee, "transactional")
      }),
    { timeout: 240_000 }
  )

  it.live(
    "a broker that is killed and started again while batches are written: each record is there once, in order",
    () =>
      Effect.gen(function* () {
        const topic = yield* freshTopic()
        const executor = roleFor(topic)
        const written: Array<Entry> = []
        const writing = yield* Effect.forkChild(Effect.gen(function* () {
          for (let batch = 1; batch <= 30; batch++) {
            const all = entries(batch, 200)
            yield* executor.write(batch * 1000, all)
            written.push(...all)
          }
        }))
        yield* Effect.sleep(300)
        yield* Effect.promise(() => broker.kill())
        yield* Effect.promise(() => broker.start())
        yield* Fiber.join(writing)
        const seen = yield* committed(topic)
        for (const key of ["k0", "k1", "k2", "k3", "k4"]) {
          assert.deepEqual(
            seen.filter((record) => record.key === key).map(({ value }) => value),
            written.filter(([one]) => one === key).map(([, value]) => value)
          )
        }
        assert.equal(seen.length, written.length)
      }),
    { timeout: 120_000 }
  )

  it.live("a batch for many partitions of the topic is written without a refusal", () =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(16)
      let refused = 0
      const counting: typeof connect = (connection) =>
        Effect.map(connect(connection), (cluster) => ({
          ...cluster,
          produce: (request) => Effect.tapError(cluster.produce(request), () => Effect.sync(() => void refused++))
        }))
      const executor = role(counting, { ...connection(), topic, deliveryTimeout: "1 minute" })
      yield* executor.write(1000, entries(1, 320, 64))
      // Leaders of a new topic may not have been ready.
      refused = 0
      for (let batch = 2; batch <= 6; batch++) yield* executor.write(batch * 1000, entries(batch, 320, 64))
      assert.equal(refused, 0)
      assert.equal((yield* committed(topic, 16)).length, 6 * 320)
    }), { timeout: 60_000 })

  it.live(
    "a broker that hangs: answers that are late are found out, and each record is there once",
    () =>
      Effect.gen(function* () {
        for (const guarantee of ["transactional", "at-least-once"] as const) {
          const topic = yield* freshTopic(1)
          const executor = roleFor(topic, { guarantee, requestTimeout: "500 millis" })
          yield* executor.write(1000, entries(1, 10))
          const writing = yield* Effect.forkChild(executor.write(2000, entries(2, 20_000)))
          yield* Effect.sleep(20)
          broker.freeze()
          yield* Effect.sleep(2500)
          broker.thaw()
          yield* Fiber.join(writing)
          const seen = (yield* committed(topic, 1)).map(({ value }) => value)
          assert.deepEqual(seen, [...entries(1, 10), ...entries(2, 20_000)].map(([, value]) => value))
        }
      }),
    { timeout: 120_000 }
  )

  it.live(
    "drivers of a real broker: the later one keeps the earlier one's executors out",
    () =>
      Effect.gen(function* () {
        const topic = yield* freshTopic()
        const app = `app-${topic}`
        const process = () => {
          const { fence, write } = sink<Entry>({ ...options, ...connection(), topic })
          return {
            fence: (epoch: number) => fence!({ ...output, app, epoch }),
            write: (epoch: number, time: number, partition: number) =>
              write(entries(time, 5), {
                ...output,
                app,
                epoch,
                time,
                partition,
                numPartitions: partition + 1,
                commitId: `${time}/${partition}`,
                attempt: 0
              })
          }
        }
        const [driver, executor, idle, later, young] = Array.from({ length: 5 }, process)
        yield* driver!.fence(1)
        yield* executor!.write(1, 1000, 1)
        yield* later!.fence(2)
        for (
          const late of [
            executor!.write(1, 2000, 1),
            idle!.write(1, 2000, 0),
            idle!.write(1, 2000, 5),
            driver!.fence(1)
          ]
        ) {
          const error = yield* Effect.flip(late)
          assert.ok(error instanceof Sink.Fenced, String(error))
          assert.equal(error.current, 2)
        }
        yield* young!.write(2, 1000, 1)
        yield* young!.write(2, 2000, 1)
        assert.equal((yield* committed(topic)).length, 10)
      }),
    { timeout: 60_000 }
  )

  it.live("what a real broker refuses is told with what to do", () =>
    Effect.gen(function* () {
      const failing = (effect: Effect.Effect<unknown, unknown>) =>
        Effect.map(Effect.flip(effect), (error) => {
          assert.ok(error instanceof KafkaError, String(error))
          return error
        })
      for (const guarantee of ["transactional", "at-least-once"] as const) {
        const unknown = yield* failing(roleFor("nowhere", { guarantee }).write(1000, entries(1, 1)))
        assert.equal(unknown.reason, "UnknownTopic")
        const small = yield* freshTopic(1, { "max.message.bytes": "20000" })
        yield* roleFor(small, { guarantee }).write(1000, entries(1, 5000))
        assert.deepEqual(
          (yield* committed(small, 1)).map(({ value }) => value),
          entries(1, 5000).map(([, value]) => value)
        )
        const large = yield* failing(roleFor(small, { guarantee }).write(2000, [["big", "x".repeat(30_000)]]))
        assert.equal(large.reason, "TooLarge")
        assert.match(large.message, /one record with the key "big" has 30\d\d\d bytes/)
        const compacted = yield* freshTopic(1, { "cleanup.policy": "compact" })
        const keyless = yield* failing(roleFor(compacted, { guarantee }).write(1000, [[null, "a"]]))
        assert.equal(keyless.reason, "Record")
        assert.match(keyless.message, /compacted wants keys/)
        const { ca, saslPort, user } = broker.secured!
        const stranger = roleFor(small, {
          guarantee,
          brokers: `localhost:${saslPort}`,
          tls: { ca },
          sasl: { mechanism: "SCRAM-SHA-256", username: user, password: Redacted.make("wrong") }
        })
        const refused = yield* failing(stranger.write(3000, entries(1, 1)))
        assert.equal(refused.reason, "Refused")
      }
    }), { timeout: 120_000 })
}
