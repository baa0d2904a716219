/**
 * Who holds the partitions of an exactly-once sink over hours, and within one executor: what is noted of them, and that their runs take turns.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import { Fenced } from "../../../core/output/Sink.ts"
import { it } from "../../kit.ts"
import { entries, passing, role } from "./roles.ts"

const withTopic = Effect.tap(KafkaModel.make, (kafka) => Effect.sync(() => kafka.createTopic("out", 3)))

it("a note that is written anew for a batch of fewer partitions keeps the larger number: a new driver keeps all of them out", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic
    const [executor, other] = [role(kafka.connect), role(kafka.connect)]
    yield* executor!.write(1000, entries(1, 5), { numPartitions: 3 })
    yield* TestClock.adjust("11 hours")
    yield* other!.write(1000, entries(2, 5), { partition: 2, numPartitions: 3 })
    yield* TestClock.adjust("2 hours")
    yield* executor!.write(2000, entries(3, 5), { numPartitions: 1 })
    yield* role(kafka.connect).fence(2)
    const late = yield* Effect.flip(passing(other!.write(3000, entries(4, 5), { partition: 2 })))
    assert.ok(late instanceof Fenced, String(late))
  }))
