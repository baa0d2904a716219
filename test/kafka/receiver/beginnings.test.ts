/**
 * Where partitions of a group begin: each once, for good; those that come later at their first record.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { it } from "../../kit.ts"
import { modelWith } from "../direct/run.ts"
import { pass, passLong, quickStore, receiving } from "./receiving.ts"

const latest = { start: "latest" } as const

it("latest: what comes while no member is there is received by the next", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    kafka.append("t", 0, ["old"])
    const { store, values } = quickStore()
    yield* Effect.scoped(Effect.andThen(receiving(kafka, store, latest), pass(1000)))
    kafka.append("t", 0, ["between"])
    kafka.append("t", 1, ["between too"])
    yield* receiving(kafka, store, latest)
    yield* pass(1000)
    kafka.append("t", 0, ["after"])
    yield* pass(1000)
    assert.deepEqual(values, ["between", "between too", "after"])
  }))

it("latest: what comes while the group is shared out anew is received, before the first of a partition and after", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    const { store, values } = quickStore()
    yield* receiving(kafka, store, latest)
    yield* pass(1000)
    kafka.append("t", 0, ["just before"])
    yield* receiving(kafka, store, latest)
    const sent = Array.from({ length: 200 }, (_, i) => String(i))
    for (const [i, value] of sent.entries()) {
      yield* TestClock.adjust(5)
      kafka.append("t", i % 2, [value])
    }
    yield* pass(2000)
    assert.deepEqual(values.toSorted(), ["just before", ...sent].toSorted())
  }))

it("latest: members that begin together read nothing that was there before, whoever is first", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(4)
    for (let partition = 0; partition < 4; partition++) kafka.append("t", partition, ["old"])
    const { store, values } = quickStore()
    yield* receiving(kafka, store, latest)
    yield* receiving(kafka, store, latest)
    yield* receiving(kafka, store, latest)
    yield* pass(2000)
    kafka.append("t", 3, ["new"])
    yield* pass(1000)
    assert.deepEqual(values, ["new"])
  }))

it("latest: a partition that had no leader at first begins so when it has one", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    kafka.append("t", 1, ["old"])
    kafka.log("t", 1).leader = null
    const { store, values } = quickStore()
    yield* receiving(kafka, store, latest)
    yield* pass(1000)
    kafka.append("t", 0, ["a"])
    yield* pass(1000)
    kafka.log("t", 1).leader = 0
    yield* pass(3000)
    kafka.append("t", 1, ["b"])
    yield* pass(1000)
    assert.deepEqual(values, ["a", "b"])
  }))

it("latest: partitions that are added begin at their first record, whether a member is there or not", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.append("t", 0, ["old"])
    const { store, values } = quickStore()
    yield* Effect.scoped(Effect.gen(function* () {
      yield* receiving(kafka, store, latest)
      yield* pass(1000)
      kafka.addPartitions("t", 1)
      kafka.append("t", 1, ["a"])
      yield* pass(1000)
    }))
    kafka.addPartitions("t", 1)
    kafka.append("t", 2, ["b"])
    yield* receiving(kafka, store, latest)
    yield* pass(1000)
    assert.deepEqual(values, ["a", "b"])
  }))

it("where another program committed offsets of a group, partitions without any came later", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    const cluster = yield* kafka.connect({ brokers: "model" })
    kafka.append("t", 0, ["a", "b"])
    kafka.append("t", 1, ["c"])
    yield* cluster.commitOffsets("g", [{ topic: "t", partition: 0, offset: 1, metadata: "{" }])
    const { store, values } = quickStore()
    yield* receiving(kafka, store, latest)
    yield* pass(1000)
    assert.deepEqual(values.toSorted(), ["b", "c"])
  }))

it("a topic that is not there is told, once, and received from its first record when it comes", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const { reports, store, values } = quickStore()
    yield* receiving(kafka, store, { ...latest, topics: ["t", "later"] })
    yield* pass(2000)
    kafka.append("t", 0, ["a"])
    yield* pass(1000)
    kafka.createTopic("later", 1)
    kafka.append("later", 0, ["b"])
    yield* pass(1000)
    assert.deepEqual(values, ["a", "b"])
    assert.equal(reports.length, 1)
    assert.match(
      reports[0]!,
      /There is no topic later at model.*create it, or correct the name. It is looked for again/
    )
  }))

it("a member that is put out of the group before it has begun says nothing of records, and begins anew", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    let commits = 0
    const connect: typeof kafka.connect = (connection) =>
      Effect.map(kafka.connect(connection), (cluster) => ({
        ...cluster,
        join: (request) =>
          Effect.map(cluster.join(request), (member) => ({
            ...member,
            commit: (offsets) =>
              Effect.andThen(commits++ === 0 ? Effect.sleep(70_000) : Effect.void, member.commit(offsets))
          }))
      }))
    const { reports, store, values } = quickStore()
    const other = quickStore()
    yield* receiving(Object.assign(Object.create(kafka), { connect }), store, latest)
    yield* pass(100)
    // Who does not give its partitions back in time is out.
    yield* receiving(kafka, other.store, latest)
    yield* passLong(100_000)
    kafka.append("t", 0, ["a"])
    yield* pass(1000)
    assert.deepEqual([...values, ...other.values], ["a"])
    assert.deepEqual([commits > 0, reports], [true, []])
  }))
