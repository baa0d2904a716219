/**
 * Partitions of a group that cannot be read: each is held up alone, and told with what to do; what was lost has a policy.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import { it } from "../../kit.ts"
import { modelWith } from "../direct/run.ts"
import { pass, passLong, quickStore, receiving } from "./receiving.ts"

it("a partition that has no leader is told, holds up no others, and is read on when it has one again", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(3)
    const { reports, store, values } = quickStore()
    yield* receiving(kafka, store)
    yield* pass(500)
    kafka.append("t", 1, ["meanwhile"])
    kafka.log("t", 1).leader = null
    kafka.append("t", 0, ["a"])
    kafka.append("t", 2, ["b"])
    yield* pass(5000)
    assert.deepEqual(values, ["a", "b"])
    assert.equal(reports.length, 1)
    assert.match(reports[0]!, /No broker leads t\/1.*t\/1 is held up and tried again, other partitions go on/)
    kafka.log("t", 1).leader = 0
    yield* pass(3000)
    assert.deepEqual(values, ["a", "b", "meanwhile"])
  }))

it("nor does it hold up the group, which is shared out anew meanwhile", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    const one = quickStore()
    const two = quickStore()
    kafka.log("t", 1).leader = null
    yield* receiving(kafka, one.store)
    yield* pass(1000)
    yield* receiving(kafka, two.store)
    kafka.append("t", 0, ["a"])
    yield* pass(2000)
    assert.deepEqual([...one.values, ...two.values], ["a"])
    kafka.log("t", 1).leader = 0
    kafka.append("t", 1, ["b"])
    yield* pass(3000)
    assert.deepEqual([one.values.length, two.values.length], [1, 1])
  }))

it("brokers that do not answer a member keep no partitions from the others", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    const one = quickStore()
    const two = quickStore()
    const connect: Kafka.ConnectKafka = (connection) =>
      Effect.map(kafka.connect(connection), (cluster) => ({ ...cluster, offsets: () => Effect.never }))
    yield* receiving(Object.assign(Object.create(kafka), { connect }), one.store)
    yield* pass(1000)
    yield* receiving(kafka, two.store)
    for (const partition of [0, 1]) kafka.append("t", partition, [`${partition}`])
    yield* pass(2000)
    assert.equal(two.values.length, 1)
  }))

it("a poison record holds up its partition alone, behind what stands before it, and is told again and again", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    const { reports, store, values } = quickStore()
    kafka.append("t", 0, ["1", "2", "{"])
    yield* receiving(kafka, store, { value: Kafka.unknownJson })
    for (let i = 10; i < 15; i++) {
      kafka.append("t", 1, [String(i)])
      yield* pass(1000)
    }
    assert.deepEqual(values.toSorted(), [1, 10, 11, 12, 13, 14, 2])
    assert.equal(reports.length, 2)
    yield* passLong(240_000)
    assert.ok(reports.length > 5 && reports.length < 10, `${reports.length} reports`)
    assert.match(reports.at(-1)!, /The record at offset 2 of t\/0 cannot be decoded.*onPoison.*t\/0 is held up/)
  }))

it("offsets that retention deleted hold up their partition, which is told with what to do; by policy it goes on", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const first = quickStore()
    yield* Effect.scoped(Effect.andThen(receiving(kafka, first.store), pass(500)))
    kafka.append("t", 0, ["a"])
    kafka.append("t", 0, ["b"])
    kafka.log("t", 0).removeBefore(1)
    yield* Effect.scoped(Effect.andThen(receiving(kafka, first.store), pass(1000)))
    assert.deepEqual(first.values, [])
    assert.match(
      first.reports.join(),
      /from 1 to before 2, and was asked for 0.*onLoss: "skip" or "earliest", or begin anew with another group/
    )
    const second = quickStore()
    yield* receiving(kafka, second.store, { onLoss: "skip" })
    yield* pass(1000)
    assert.deepEqual(second.values, ["b"])
    assert.match(second.reports.join(), /t\/0 was read up to 0 and goes on at 1/)
  }))

const madeAnew = Effect.fnUntraced(function* (onLoss: Kafka.OnLoss) {
  const kafka = yield* modelWith(1)
  kafka.createTopic("u", 1)
  const made = quickStore()
  kafka.append("t", 0, ["a", "b"])
  yield* receiving(kafka, made.store, { onLoss, topics: ["t", "u"] })
  yield* pass(1000)
  kafka.deleteTopic("t")
  kafka.createTopic("t", 1)
  // Farther than what was read: by offsets nothing could be seen.
  kafka.append("t", 0, ["c", "d", "e"])
  yield* pass(1000)
  kafka.append("u", 0, ["other"])
  yield* pass(5000)
  return { ...made, kafka }
})

it("a topic that was deleted and created again is not taken for the one before: it is held up", () =>
  Effect.gen(function* () {
    const { reports, values } = yield* madeAnew("fail")
    assert.deepEqual(values, ["a", "b", "other"])
    assert.match(reports[0]!, /The topic t was deleted and created again.*onLoss.*t\/0 is held up/)
  }))

for (const onLoss of ["skip", "earliest"] as const) {
  it(`or by the policy ${onLoss} read from its first record, which is told`, () =>
    Effect.gen(function* () {
      const { reports, values } = yield* madeAnew(onLoss)
      assert.deepEqual(values, ["a", "b", "c", "d", "e", "other"])
      assert.deepEqual(reports.length, 1)
      assert.match(reports[0]!, /The topic t was deleted and created again.*t\/0 was read up to 2 and goes on at 0/)
    }))
}

it("after a restart it is still known of which topic the offsets are", () =>
  Effect.gen(function* () {
    const { kafka } = yield* Effect.scoped(madeAnew("fail"))
    const held = quickStore()
    yield* Effect.scoped(Effect.andThen(receiving(kafka, held.store, { start: "latest" }), pass(1000)))
    assert.deepEqual(held.values, [])
    assert.match(held.reports.join(), /deleted and created again.*is held up/)
    const next = quickStore()
    yield* Effect.scoped(
      Effect.andThen(receiving(kafka, next.store, { start: "latest", onLoss: "skip" }), pass(1000))
    )
    assert.deepEqual(next.values, ["c", "d", "e"])
    assert.match(next.reports.join(), /t\/0 goes on at 0/)
    const last = quickStore()
    yield* receiving(kafka, last.store)
    yield* pass(1000)
    assert.deepEqual([last.values, last.reports], [[], []])
  }))

it("a topic that is deleted is told, and its partitions begin at the first record when it comes again", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const { reports, store, values } = quickStore()
    yield* receiving(kafka, store, { start: "latest", onLoss: "skip" })
    yield* pass(500)
    kafka.append("t", 0, ["a"])
    yield* pass(500)
    kafka.deleteTopic("t")
    yield* pass(5000)
    assert.match(reports.join(), /There is no topic t at model/)
    kafka.createTopic("t", 1)
    kafka.append("t", 0, ["b"])
    yield* pass(5000)
    assert.deepEqual(values, ["a", "b"])
  }))
