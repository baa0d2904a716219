/**
 * A receiver of a group where another broker came to lead, whose log had less of what was read: records were lost, and others stand in
 * their place.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import type * as Kafka from "../../../adapters/kafka/mod.ts"
import { it } from "../../kit.ts"
import { modelWith } from "../direct/run.ts"
import { pass, quickStore, receiving } from "./receiving.ts"

/** "b" and "c" are read and cut off; the log has grown beyond them when the receiver looks again. */
const cut = Effect.fnUntraced(function* (onLoss: Kafka.OnLoss) {
  const kafka = yield* modelWith(2)
  const made = quickStore()
  for (const value of ["a", "b", "c"]) kafka.append("t", 0, [value])
  yield* receiving(kafka, made.store, { onLoss })
  yield* pass(500)
  kafka.log("t", 0).truncate(1)
  kafka.append("t", 0, ["d", "e", "f"])
  kafka.append("t", 1, ["other"])
  yield* pass(1000)
  return { ...made, kafka }
})

it("records that others stand in place of hold up their partition, which is told with what to do", () =>
  Effect.gen(function* () {
    const { reports, values } = yield* cut("fail")
    assert.deepEqual(values, ["a", "b", "c", "other"])
    assert.match(
      reports[0]!,
      /t\/0 was read up to 3 and was cut off at 1 .*onLoss: "skip" or "earliest".*t\/0 is held up/
    )
  }))

it("by the policy skip what stands in their place is read, and told", () =>
  Effect.gen(function* () {
    const { kafka, reports, values } = yield* cut("skip")
    assert.deepEqual(values.toSorted(), ["a", "b", "c", "d", "e", "f", "other"])
    assert.equal(reports.length, 1)
    assert.match(reports[0]!, /cut off at 1 .*t\/0 was read up to 3 and goes on at 1/)
    kafka.append("t", 0, ["g"])
    yield* pass(500)
    assert.equal(values.at(-1), "g")
  }))

it("by the policy earliest all that is there is read again, and told", () =>
  Effect.gen(function* () {
    const { reports, values } = yield* cut("earliest")
    assert.deepEqual(values.toSorted(), ["a", "a", "b", "c", "d", "e", "f", "other"])
    assert.match(reports[0]!, /was read up to 3 and goes on at 0/)
  }))

it("what was cut off while no member was there is found by the next", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const first = quickStore()
    for (const value of ["a", "b", "c"]) kafka.append("t", 0, [value])
    yield* Effect.scoped(Effect.andThen(receiving(kafka, first.store), pass(500)))
    kafka.log("t", 0).truncate(1)
    kafka.append("t", 0, ["d", "e", "f"])
    const held = quickStore()
    yield* Effect.scoped(Effect.andThen(receiving(kafka, held.store), pass(500)))
    assert.deepEqual(held.values, [])
    assert.match(held.reports.join(), /cut off at 1/)
    const next = quickStore()
    yield* receiving(kafka, next.store, { onLoss: "skip" })
    yield* pass(500)
    assert.deepEqual(next.values, ["d", "e", "f"])
  }))

it("another leader that has all of it is nothing to tell", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const { reports, store, values } = quickStore()
    kafka.append("t", 0, ["a", "b"])
    yield* receiving(kafka, store)
    yield* pass(500)
    kafka.log("t", 0).elect()
    kafka.append("t", 0, ["c"])
    yield* pass(500)
    kafka.log("t", 0).elect()
    yield* pass(500)
    kafka.append("t", 0, ["d"])
    yield* pass(500)
    assert.deepEqual([values, reports], [["a", "b", "c", "d"], []])
  }))
