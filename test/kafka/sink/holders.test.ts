/**
 * Who holds the partitions of an exactly-once sink over hours, and within one executor: what is noted of them, and that their runs take turns.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import { Fenced } from "../../../core/output/Sink.ts"
import { it } from "../../kit.ts"
import { changed, entries, passing, role } from "./roles.ts"

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

it("two runs of one partition at once in one executor take turns", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic
    let open = 0
    let most = 0
    const connect = changed(kafka, (cluster) => ({
      addPartitions: (...request) =>
        Effect.andThen(Effect.sync(() => most = Math.max(most, ++open)), cluster.addPartitions(...request)).pipe(
          Effect.tap(() => Effect.sleep(50)),
          Effect.ensuring(Effect.sync(() => void open--))
        )
    }))
    const executor = role(connect)
    const runs = [1000, 1000, 2000].map((time) => executor.write(time, entries(time, 8)))
    yield* passing(Effect.all(runs, { concurrency: "unbounded" }))
    const values = kafka.records("out").map(({ value }) => value)
    assert.deepEqual(values.toSorted(), [...entries(1000, 8), ...entries(2000, 8)].map(([, value]) => value).toSorted())
    assert.equal(most, 1)
  }))
