/**
 * The exactly-once sink when drivers take over from each other over the model of a cluster: with another number of partitions, from another
 * checkpoint place, and when Kafka has forgotten who has the output.
 */
import * as assert from "node:assert/strict"
import { Cause, Effect, Exit, Logger } from "effect"
import { KafkaError } from "../../../adapters/kafka/KafkaError.ts"
import { Fenced } from "../../../core/output/Sink.ts"
import { isPermanent } from "../../../core/protocol/permanent.ts"
import { it } from "../../kit.ts"
import { entries, type Entry, inOrder, isExactly, passing, role, seen, withTopic } from "./roles.ts"

it("a batch that is run again with another number of partitions is an error, and nothing of it is left out or there twice", () =>
  Effect.gen(function* () {
    for (const numPartitions of [2, 6]) {
      const kafka = yield* withTopic()
      const parts = (batch: number) =>
        [0, 1, 2, 3].map((part) => entries(batch, 5).map(([key, value]): Entry => [`${part}-${key}`, value]))
      const writeAll = (
        epoch: number,
        batch: number,
        number = 4,
        which = Array.from({ length: number }, (_, i) => i)
      ) =>
        Effect.forEach(which, (partition) => {
          const part = number === 4 ? parts(batch)[partition]! : entries(batch, 5)
          return Effect.exit(passing(executor.write(batch * 1000, part, { epoch, partition, numPartitions: number })))
        })
      let executor = role(kafka.connect)
      yield* role(kafka.connect).fence(1)
      yield* writeAll(1, 1)
      yield* writeAll(1, 2, 4, [0, 1])
      executor = role(kafka.connect)
      yield* role(kafka.connect).fence(2)
      assert.ok((yield* writeAll(2, 1, numPartitions)).every(Exit.isSuccess), "the batch before is there")
      for (const exit of yield* writeAll(2, 2, numPartitions)) {
        const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.ok(error instanceof KafkaError && isPermanent(error), String(error))
        assert.match(
          error.message,
          new RegExp(`has ${numPartitions} partitions, .* some of its 4: .* Start with 4 partitions`)
        )
      }
      executor = role(kafka.connect)
      yield* role(kafka.connect).fence(3)
      assert.ok((yield* writeAll(3, 2)).every(Exit.isSuccess))
      yield* writeAll(3, 3, numPartitions)
      const more = Array.from({ length: numPartitions }, () => entries(3, 5)).flat()
      assert.deepEqual(inOrder(seen(kafka)), inOrder([...parts(1).flat(), ...parts(2).flat(), ...more]))
    }
  }))

it("of two lines of drivers under one name the one that began later has the output, whichever is started again", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    const warnings: Array<string> = []
    const heard = Effect.provide(Logger.layer([Logger.make(({ message }) => void warnings.push(String(message)))]))
    const [before, after, again] = [1, 2, 3].map(() => role(kafka.connect))
    yield* before!.fence(4, "a")
    yield* before!.write(1000, entries(1, 5), { epoch: 4, line: "a" })
    yield* heard(passing(after!.fence(1, "b")))
    yield* heard(passing(after!.fence(1, "b")))
    yield* heard(passing(after!.write(2000, entries(2, 5), { line: "b" })))
    assert.equal(warnings.length, 1)
    assert.match(warnings[0]!, /another checkpoint place, or in a run without one, and this driver takes it over/)
    const errors = [
      before!.write(2000, entries(3, 5), { epoch: 4, line: "a" }),
      before!.fence(4, "a"),
      ...[5, 6].flatMap((epoch) => [
        again!.fence(epoch, "a"),
        again!.write(2000, entries(3, 5), { epoch, line: "a" })
      ])
    ]
    for (const refused of errors) {
      const error = yield* Effect.flip(passing(refused))
      assert.ok(error instanceof Fenced, String(error))
      assert.match(error.message, /taken over at model .* will be refused whenever it is started again/)
    }
    yield* passing(after!.write(3000, entries(4, 5), { line: "b" }))
    isExactly(kafka, [1, 2, 4].flatMap((batch) => entries(batch, 5)))
  }))

it("a batch that another line of drivers has written, or a later one, is not taken for its own: that is an error, also again", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    yield* role(kafka.connect).write(2000, entries(1, 5), { line: "a" })
    for (const epoch of [1, 2, 3]) {
      const driver = role(kafka.connect)
      yield* passing(driver.fence(epoch, "b"))
      for (const time of [1000, 2000]) {
        const error = yield* Effect.flip(passing(driver.write(time, entries(2, 5), { epoch, line: "b" })))
        assert.ok(error instanceof KafkaError && error.reason === "Commits" && isPermanent(error), String(error))
        assert.match(error.message, /does not come after that of 2000 ms, which a driver of another checkpoint place/)
      }
    }
    const driver = role(kafka.connect)
    yield* passing(driver.write(3000, entries(3, 5), { epoch: 4, line: "b" }))
    isExactly(kafka, [1, 3].flatMap((batch) => entries(batch, 5)))
  }))

it("an executor of an older driver is kept out by what later ones wrote, also where Kafka has forgotten who has the output", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    yield* role(kafka.connect).fence(2)
    yield* role(kafka.connect).write(2000, entries(1, 5), { epoch: 2 })
    kafka.broker.groups.expire("app/counts")
    const error = yield* Effect.flip(passing(role(kafka.connect).write(3000, entries(2, 5), { epoch: 1 })))
    assert.ok(error instanceof Fenced && error.current === 2, String(error))
    isExactly(kafka, entries(1, 5))
  }))
