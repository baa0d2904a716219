/**
 * The exactly-once sink over the model of a cluster: answers that are lost, executors and drivers that were replaced, brokers that are away,
 * transactions that took too long, what Kafka forgets, and records that it does not take.
 */
import * as assert from "node:assert/strict"
import fc from "fast-check"
import { Cause, Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { KafkaError } from "../../../adapters/kafka/KafkaError.ts"
import type { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import { partitionOfKey } from "../../../adapters/kafka/sink/murmur2.ts"
import { Fenced } from "../../../core/output/Sink.ts"
import { it } from "../../kit.ts"
import { changed, entries, type Entry, isExactly, passing, role, seen, withTopic } from "./roles.ts"

it("each batch is in the topic once, by key, at the time of the batch, when it is read committed", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    const executor = role(kafka.connect)
    const written = [1000, 2000, 3000].map((time) => entries(time, 20))
    for (const [index, batch] of written.entries()) yield* executor.write((index + 1) * 1000, batch)
    yield* executor.write(2000, written[1]!, { epoch: 2 })
    isExactly(kafka, written.flat())
    for (const { key, partition, timestamp, value } of kafka.records("out")) {
      assert.equal(partition, partitionOfKey(key!, 3))
      assert.equal(timestamp, Number(value!.split(".")[0]))
    }
  }))

const requests = [
  "topics",
  "initProducer",
  "committedOffsets",
  "addPartitions",
  "produce",
  "addOffsets",
  "endTransaction"
] as const

for (const request of requests) {
  for (const moment of ["before", "after"] as const) {
    it(`an answer to ${request} that is lost ${moment} it was done: each record is there once`, () =>
      Effect.gen(function* () {
        const kafka = yield* withTopic()
        const executor = role(kafka.connect)
        if (request !== "topics") yield* executor.write(1000, entries(1000, 4), { epoch: 1 })
        kafka.failNext(request, moment)
        // A later driver's executor begins with a producer of its own.
        yield* passing(executor.write(2000, entries(2000, 9), { epoch: 2 }))
        isExactly(kafka, [...request === "topics" ? [] : entries(1000, 4), ...entries(2000, 9)])
      }))
  }
}

it(
  "whatever answers are lost, and whoever writes a partition, each record is there once and in order",
  () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({
              executor: fc.nat(2),
              partition: fc.nat(2),
              faults: fc.array(
                fc.tuple(fc.constantFrom(...requests), fc.constantFrom("before" as const, "after" as const)),
                {
                  maxLength: 4
                }
              ),
              again: fc.boolean()
            }),
            { maxLength: 12 }
          ),
          (steps) =>
            Effect.runPromise(
              Effect.gen(function* () {
                const kafka = yield* withTopic()
                const executors = [0, 1, 2].map(() => role(kafka.connect))
                const written: Array<Entry> = []
                for (const [index, { again, executor, faults, partition }] of steps.entries()) {
                  const time = (index + 1) * 1000
                  for (const [request, moment] of faults) kafka.failNext(request, moment)
                  // Keys of one partition: order is kept within it.
                  const batch = entries(time, 6).map(([key, value]): Entry => [`${partition}-${key}`, value])
                  const write = (by: number) => executors[by]!.write(time, batch, { partition, numPartitions: 3 })
                  yield* passing(write(executor))
                  if (again) yield* passing(write((executor + 1) % 3))
                  written.push(...batch)
                }
                isExactly(kafka, written)
              }).pipe(Effect.provide(TestClock.layer()))
            )
        ),
        { numRuns: 60 }
      )
    ),
  { timeout: 60_000 }
)

it("executors that take turns at a partition fence each other, and each batch is there once", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    const [one, other] = [role(kafka.connect), role(kafka.connect)]
    for (let batch = 1; batch <= 6; batch++) {
      yield* passing((batch % 2 === 0 ? one : other).write(batch * 1000, entries(batch, 5)))
    }
    isExactly(kafka, [1, 2, 3, 4, 5, 6].flatMap((batch) => entries(batch, 5)))
  }))

it("two runs of one partition at once: one commits it, the other finds it", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    const runs = [role(kafka.connect), role(kafka.connect), role(kafka.connect)]
    yield* passing(Effect.all(runs.map((run) => run.write(1000, entries(1, 8))), { concurrency: "unbounded" }))
    isExactly(kafka, entries(1, 8))
  }))

it("a new driver keeps the executors of the old one out, those that have a producer and those that ask for one", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    const [driver, later, executor, idle, young] = [1, 2, 3, 4, 5].map(() => role(kafka.connect))
    yield* driver!.fence(1)
    yield* executor!.write(1000, entries(1, 5), { numPartitions: 2 })
    yield* later!.fence(2)
    for (const [of, where] of [[executor!, {}], [idle!, { partition: 1 }], [idle!, { partition: 7 }]] as const) {
      const error = yield* Effect.flip(passing(of.write(2000, entries(2, 5), { epoch: 1, ...where })))
      assert.ok(error instanceof Fenced, String(error))
      assert.deepEqual([error.epoch, error.current, error.output], [1, 2, "counts"])
    }
    assert.ok((yield* Effect.flip(driver!.fence(1))) instanceof Fenced)
    yield* passing(young!.write(2000, entries(3, 5), { epoch: 2 }))
    isExactly(kafka, [...entries(1, 5), ...entries(3, 5)])
  }))

/** A cluster whose n-th request waits, before it is done, until something else has happened. */
const holding = (kafka: KafkaModel, at: number) =>
  Effect.gen(function* () {
    const reached = yield* Deferred.make<void>()
    const goOn = yield* Deferred.make<void>()
    let calls = 0
    const held = (effect: Effect.Effect<any, any>) =>
      Effect.suspend(() =>
        ++calls === at
          ? Effect.andThen(Deferred.succeed(reached, undefined), Effect.andThen(Deferred.await(goOn), effect))
          : effect
      )
    const connect = changed(
      kafka,
      (cluster) =>
        Object.fromEntries(
          requests.map((request) => [request, (...args: Array<any>) => held((cluster[request] as any)(...args))])
        )
    )
    /** Whether it came to wait before `doing` was over. */
    const meanwhile = (doing: Fiber.Fiber<unknown, unknown>, what: Effect.Effect<unknown, unknown>) =>
      Effect.gen(function* () {
        const waits = yield* Effect.raceFirst(
          Effect.as(Deferred.await(reached), true),
          Effect.as(Fiber.await(doing), false)
        )
        if (waits) yield* what
        yield* Deferred.succeed(goOn, undefined)
        return waits
      })
    return { connect, meanwhile }
  })

it("a driver takes over at any request of an executor's write: what was not committed by then never is", () =>
  Effect.gen(function* () {
    for (let at = 1, waits = true; waits; at++) {
      const kafka = yield* withTopic()
      yield* role(kafka.connect).fence(1)
      const { connect, meanwhile } = yield* holding(kafka, at)
      const writing = yield* Effect.forkChild(Effect.exit(role(connect).write(1000, entries(1, 5), { epoch: 1 })))
      let before = 0
      waits = yield* meanwhile(
        writing,
        Effect.andThen(passing(role(kafka.connect).fence(2)), Effect.sync(() => before = seen(kafka).length))
      )
      const exit = yield* passing(Fiber.join(writing))
      if (!waits) return assert.ok(Exit.isSuccess(exit) && at > 8, `${at} requests`)
      assert.equal(before, 0)
      assert.ok(Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof Fenced, `request ${at}: ${exit}`)
      assert.deepEqual(seen(kafka), [], `request ${at}`)
      yield* passing(role(kafka.connect).write(1000, entries(2, 5), { epoch: 2 }))
      isExactly(kafka, entries(2, 5))
    }
  }))

it("an executor notes more partitions at any request of a fence: the new driver keeps it out all the same", () =>
  Effect.gen(function* () {
    for (let at = 1, waits = true; waits; at++) {
      const kafka = yield* withTopic()
      const executor = role(kafka.connect)
      yield* role(kafka.connect).fence(1)
      yield* executor.write(1000, entries(1, 5))
      const { connect, meanwhile } = yield* holding(kafka, at)
      const fencing = yield* Effect.forkChild(role(connect).fence(2))
      // Until the new epoch is noted it may write.
      waits = yield* meanwhile(
        fencing,
        Effect.exit(passing(executor.write(1000, entries(2, 5), { epoch: 1, partition: 5 })))
      )
      yield* passing(Fiber.join(fencing))
      const before = seen(kafka)
      const late = yield* Effect.flip(passing(executor.write(2000, entries(3, 5), { epoch: 1, partition: 5 })))
      assert.ok(late instanceof Fenced, `request ${at}: ${late}`)
      assert.deepEqual(seen(kafka), before)
    }
  }))

it("offsets that an open transaction may still change are not taken for what is noted", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    const late = changed(kafka, (cluster) => ({
      committedOffsets: (group, partitions, options) =>
        options.stable ? cluster.committedOffsets(group, partitions, options) : Effect.succeed([])
    }))
    yield* role(late).write(1000, entries(1, 5))
    yield* role(late).write(1000, entries(1, 5), { epoch: 2 })
    isExactly(kafka, entries(1, 5))
  }))

it("a fence that is done again while executors write keeps them from nothing", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    const [driver, executor] = [role(kafka.connect), role(kafka.connect)]
    for (let batch = 1; batch <= 3; batch++) {
      yield* driver!.fence(1)
      yield* passing(executor!.write(batch * 1000, entries(batch, 5)))
    }
    isExactly(kafka, [1, 2, 3].flatMap((batch) => entries(batch, 5)))
  }))

it("brokers that are away for a minute hold a batch up, which is told once; nothing is lost", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    const executor = role(kafka.connect)
    yield* executor.write(1000, entries(1, 5))
    kafka.isAvailable = false
    const writing = yield* Effect.forkChild(executor.write(2000, entries(2, 5)))
    yield* TestClock.adjust("1 minute")
    assert.equal(writing.pollUnsafe(), undefined)
    kafka.isAvailable = true
    yield* passing(Fiber.join(writing))
    isExactly(kafka, [...entries(1, 5), ...entries(2, 5)])
  }))

it("brokers that stay away fail the batch with what could not be done; the run that follows puts it there", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    const executor = role(kafka.connect, { deliveryTimeout: "30 seconds" })
    kafka.isAvailable = false
    const error = yield* Effect.flip(passing(executor.write(2000, entries(2, 5), { partition: 3 })))
    assert.ok(error instanceof KafkaError && error.reason === "Unavailable")
    assert.match(
      error.message,
      /cannot put partition 3 of the batch of 2000 ms into the topic out of model: .*; it was tried for 30 s/
    )
    kafka.isAvailable = true
    yield* passing(executor.write(2000, entries(2, 5), { partition: 3 }))
    isExactly(kafka, entries(2, 5))
  }))

it("a transaction that takes longer than it may is aborted by the brokers, and done again", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic(1)
    let slow = true
    const executor = role(
      changed(kafka, (cluster) => ({
        produce: (request) =>
          Effect.suspend(() => {
            const delay = slow ? "70 seconds" : 0
            slow = false
            return Effect.delay(cluster.produce(request), delay)
          })
      })),
      { transactionTimeout: "1 minute" }
    )
    yield* passing(executor.write(1000, entries(1, 5)))
    isExactly(kafka, entries(1, 5))
  }))

it("a write that is interrupted leaves no transaction open, and its records are not seen", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic(1)
    const produced = yield* Deferred.make<void>()
    const executor = role(changed(kafka, (cluster) => ({
      produce: (request) =>
        Effect.andThen(cluster.produce(request), Effect.andThen(Deferred.succeed(produced, undefined), Effect.never))
    })))
    const writing = yield* Effect.forkChild(executor.write(1000, entries(1, 5)))
    yield* Deferred.await(produced)
    yield* Fiber.interrupt(writing)
    assert.deepEqual(seen(kafka), [])
    const cluster = yield* Effect.scoped(kafka.connect({ brokers: "model" }))
    const [end] = yield* cluster.offsets([{ topic: "out", partition: 0 }], "latest", "committed")
    const [all] = yield* cluster.offsets([{ topic: "out", partition: 0 }], "latest", "uncommitted")
    assert.equal(end!.offset, all!.offset)
    yield* passing(role(kafka.connect).write(1000, entries(1, 5)))
    isExactly(kafka, entries(1, 5))
  }))

it("an earlier batch under the same epoch is an error, and is not silently left out", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    const executor = role(kafka.connect)
    yield* executor.write(2000, entries(2, 5))
    const error = yield* Effect.flip(role(kafka.connect).write(1000, entries(1, 5)))
    assert.equal((error as KafkaError).reason, "Commits")
    assert.match(
      error.message,
      /batch of 1000 ms .* comes after that of 2000 ms .* a clock was set back, or two programs use one name/
    )
  }))

it("a group of the output's name that is somebody else's is an error", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    const cluster = yield* Effect.scoped(kafka.connect({ brokers: "model" }))
    yield* cluster.commitOffsets("app/counts/0", [{ topic: "out", partition: 0, offset: 7, metadata: "" }])
    const error = yield* Effect.flip(role(kafka.connect).write(1000, entries(1, 5)))
    assert.equal((error as KafkaError).reason, "Commits")
    assert.match(error.message, /group "app\/counts\/0" of model holds offsets that no sink has written.*another name/)
  }))

it("what Kafka does not promise: of a group whose offsets have expired it does not know that the batch is there", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    yield* role(kafka.connect).write(1000, entries(1, 5))
    kafka.broker.groups.expire("app/counts/0")
    yield* role(kafka.connect).write(1000, entries(1, 5), { epoch: 2 })
    isExactly(kafka, [...entries(1, 5), ...entries(1, 5)].toSorted((a, b) => a[0]!.localeCompare(b[0]!)))
  }))

it("the note of who has the output is written anew before it expires", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    const executor = role(kafka.connect)
    yield* role(kafka.connect).fence(1)
    yield* executor.write(1000, entries(1, 5), { numPartitions: 2 })
    kafka.broker.groups.expire("app/counts")
    yield* TestClock.adjust("13 hours")
    yield* executor.write(2000, entries(2, 5), { numPartitions: 2 })
    yield* role(kafka.connect).fence(2)
    assert.ok((yield* Effect.flip(passing(executor.write(3000, entries(3, 5))))) instanceof Fenced)
  }))

it("a topic that gets more partitions is used whole within a minute", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic(1)
    const executor = role(kafka.connect)
    yield* executor.write(1000, entries(1, 50, 50))
    kafka.addPartitions("out", 3)
    yield* TestClock.adjust("61 seconds")
    yield* executor.write(2000, entries(2, 50, 50))
    assert.equal(new Set(kafka.records("out").map(({ partition }) => partition)).size, 4)
  }))
