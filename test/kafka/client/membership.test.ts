/**
 * Members of a consumer group against a real broker, and how partitions are shared out.
 */
import * as assert from "node:assert/strict"
import { test as plain } from "node:test"
import { Effect, Exit, Scope } from "effect"
import fc from "fast-check"
import { connect } from "../../../adapters/kafka/client/connect.ts"
import {
  assignRanges,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription
} from "../../../adapters/kafka/client/consumerProtocol.ts"
import type { TopicPartition } from "../../../adapters/kafka/KafkaCluster.ts"
import type { KafkaError } from "../../../adapters/kafka/KafkaError.ts"
import { it } from "../../kit.ts"
import { createTopic, startBroker } from "../broker.ts"

const started = await startBroker()

plain("each partition of each topic goes to one member that wants it, in ranges that differ by one at most", () => {
  const topics = ["a", "b", "c"]
  const wants = fc.array(fc.subarray(topics), { minLength: 1, maxLength: 6 })
  const counts = fc.tuple(fc.nat(9), fc.nat(9), fc.nat(9))
  fc.assert(fc.property(wants, counts, (wants, counts) => {
    const members = wants.map((topics, i) => ({ memberId: `m${i}`, topics }))
    const shares = assignRanges(members, new Map(topics.map((topic, i) => [topic, counts[i]!])))
    topics.forEach((topic, i) => {
      const parts = members.map(({ memberId }) => shares.get(memberId)!.filter((part) => part.topic === topic))
      const wanting = members.filter((member) => member.topics.includes(topic))
      const all = parts.flat().map(({ partition }) => partition).sort((a, b) => a - b)
      assert.deepEqual(all, wanting.length === 0 ? [] : Array.from({ length: counts[i]! }, (_, partition) => partition))
      const sizes = members.flatMap((member, m) => member.topics.includes(topic) ? [parts[m]!.length] : [])
      if (sizes.length > 0) assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1)
    })
  }))
})

plain("subscriptions and assignments are read as they were written; bytes that lie are refused", () => {
  const partition = fc.record({ topic: fc.string(), partition: fc.nat() }, { noNullPrototype: true })
  const key = ({ partition, topic }: TopicPartition) => `${topic} ${partition}`
  fc.assert(fc.property(fc.array(fc.string()), fc.array(partition), (topics, partitions) => {
    const wellFormed = topics.map((topic) => topic.toWellFormed())
    assert.deepEqual(decodeSubscription(encodeSubscription(wellFormed)), wellFormed)
    assert.deepEqual(decodeAssignment(encodeAssignment(partitions)).map(key).sort(), partitions.map(key).sort())
  }))
  assert.deepEqual(decodeAssignment(new Uint8Array(0)), [])
  fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
    try {
      decodeAssignment(bytes)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
    }
  }))
})

const settings = { sessionMillis: 2000, rebalanceMillis: 5000 }
/** The first coordinators of a cluster have to be made. */
const patiently = <A>(effect: Effect.Effect<A, KafkaError>) =>
  Effect.retry(effect, { while: (error) => error.isRetryable })

const names = (partitions: ReadonlyArray<TopicPartition>) =>
  partitions.map(({ partition, topic }) => `${topic}/${partition}`)

if (started !== undefined) {
  it.live(
    "members share the partitions, give them back when others come or go, and commit as long as they have them",
    () =>
      Effect.gen(function* () {
        yield* Effect.promise(() => createTopic(started, "shared", 4))
        const request = { group: "readers", topics: ["shared"], ...settings }
        const join = Effect.gen(function* () {
          const scope = yield* Scope.make()
          const cluster = yield* connect({ brokers: started.bootstrap })
          return { cluster, scope, member: yield* Scope.provide(cluster.join(request), scope) }
        })
        const first = yield* join
        assert.deepEqual(names(yield* patiently(first.member.assignment)), [
          "shared/0",
          "shared/1",
          "shared/2",
          "shared/3"
        ])
        const offset = (partition: number, offset: number) => ({ topic: "shared", partition, offset, metadata: "m" })
        yield* first.member.commit([offset(0, 5)])
        const outside = yield* Effect.flip(first.cluster.commitOffsets("readers", [offset(0, 99)]))
        assert.deepEqual([outside.reason, /only its members/.test(outside.message)], ["Fenced", true])

        const second = yield* join
        const shared = yield* Effect.all([
          second.member.assignment,
          Effect.andThen(
            first.member.revoked,
            Effect.andThen(first.member.commit([offset(3, 7)]), first.member.assignment)
          )
        ], { concurrency: 2 })
        assert.deepEqual(shared.map(names).sort(), [["shared/0", "shared/1"], ["shared/2", "shared/3"]])
        assert.deepEqual(
          yield* first.cluster.committedOffsets(
            "readers",
            [0, 3, 1].map((partition) => ({ topic: "shared", partition })),
            { stable: true }
          ),
          [offset(0, 5), offset(3, 7)]
        )

        yield* Scope.close(first.scope, Exit.void)
        yield* second.member.revoked
        assert.equal((yield* second.member.assignment).length, 4)
        const late = yield* Effect.flip(first.member.commit([offset(0, 6)]))
        assert.deepEqual([late.reason, /taken this member for dead/.test(late.message)], ["Fenced", true])
        yield* Scope.close(second.scope, Exit.void)
        yield* first.cluster.commitOffsets("readers", [offset(1, 1)])
      }),
    { timeout: 60_000 }
  )

  it.live(
    "a member that hangs is taken for dead after its session, and joins again when it is back",
    () =>
      Effect.gen(function* () {
        yield* Effect.promise(() => createTopic(started, "alone", 1))
        const request = { group: "alone", topics: ["alone"], sessionMillis: 1000, rebalanceMillis: 5000 }
        const cluster = yield* connect({ brokers: started.bootstrap, requestTimeout: 500 })
        const member = yield* cluster.join(request)
        yield* member.assignment
        started.freeze()
        yield* member.revoked
        started.thaw()
        assert.deepEqual(names(yield* patiently(member.assignment)), [
          "alone/0"
        ])
        yield* patiently(member.commit([{ topic: "alone", partition: 0, offset: 1, metadata: "" }]))
      }),
    { timeout: 60_000 }
  )
}
