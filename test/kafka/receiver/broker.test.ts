/**
 * The receiver-based stream on a real broker: partitions that are added, and a topic that is made anew.
 */
import * as assert from "node:assert/strict"
import { Admin } from "@platformatic/kafka"
import { Effect } from "effect"
import { connect } from "../../../adapters/kafka/client/connect.ts"
import { readingOf } from "../../../adapters/kafka/options.ts"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import { receive } from "../../../adapters/kafka/receiver/GroupReceiver.ts"
import { encode } from "../../../adapters/kafka/records/encode.ts"
import { it } from "../../kit.ts"
import { createTopic, deleteTopic, startBroker } from "../broker.ts"
import { quickStore } from "./receiving.ts"

const broker = await startBroker()

const until = (holds: () => boolean, tell: () => unknown) =>
  Effect.gen(function* () {
    for (let i = 0; i < 400 && !holds(); i++) yield* Effect.sleep(100)
    assert.ok(holds(), JSON.stringify(tell()))
  })

if (broker !== undefined) {
  const brokers = broker.bootstrap
  const send = (topic: string, partition: number, values: ReadonlyArray<string>) =>
    Effect.scoped(Effect.gen(function* () {
      const cluster = yield* connect({ brokers })
      const batch = encode(values.map((value) => ({ value, timestamp: 0 })))
      const sent = cluster.produce({ topic, partition, batch })
      yield* Effect.retry(sent, { while: ({ isRetryable, reason }) => isRetryable || reason === "UnknownTopic" })
    }))
  const addPartition = async (name: string, count: number) => {
    const admin = new Admin({ clientId: "tests", bootstrapBrokers: [brokers] })
    await admin.createPartitions({ topics: [{ name, count, assignments: null }] })
    await admin.close()
  }
  const receiving = (topic: string, { reports, store, values }: ReturnType<typeof quickStore>) =>
    Effect.as(
      Effect.forkScoped(
        receive({
          reading: readingOf({ brokers, value: Kafka.text, onLoss: "skip" }),
          group: `group of ${topic}`,
          topics: [topic],
          start: "latest",
          gatherMillis: 100,
          sessionMillis: 30_000,
          rebalanceMillis: 10_000
        }, store)
      ),
      (wanted: ReadonlyArray<string>) =>
        Effect.andThen(
          until(() => values.length >= wanted.length, () => [values, reports]),
          Effect.sync(() => assert.deepEqual(values, wanted))
        )
    )

  it.live(
    "the group's leader finds partitions that are added within half a minute, and their first records are received",
    () =>
      Effect.gen(function* () {
        yield* Effect.promise(() => createTopic(broker, "grows"))
        yield* send("grows", 0, ["old"])
        const made = quickStore()
        const received = yield* receiving("grows", made)
        yield* Effect.sleep(5000)
        yield* send("grows", 0, ["a"])
        yield* received(["a"])
        yield* Effect.promise(() => addPartition("grows", 2))
        yield* send("grows", 1, ["b"])
        yield* received(["a", "b"])
      }),
    { timeout: 60_000 }
  )

  it.live(
    "a topic that is deleted and created again, and has more than was read, is read from its first record, and told",
    () =>
      Effect.gen(function* () {
        yield* Effect.promise(() => createTopic(broker, "anew"))
        const made = quickStore()
        const received = yield* receiving("anew", made)
        yield* Effect.sleep(5000)
        yield* send("anew", 0, ["a"])
        yield* received(["a"])
        yield* Effect.promise(() => deleteTopic(broker, "anew"))
        yield* Effect.promise(() => createTopic(broker, "anew"))
        yield* send("anew", 0, ["b", "c"])
        yield* received(["a", "b", "c"])
        assert.match(
          made.reports.join(),
          /The topic anew was deleted and created again.*anew\/0 .*goes on at 0/
        )
      }),
    { timeout: 60_000 }
  )
}
