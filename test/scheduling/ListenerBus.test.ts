import * as assert from "node:assert/strict"
import { Cause, Deferred, Effect, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import * as ListenerBus from "../../runtime/driver/ListenerBus.ts"
import { it } from "../kit.ts"

const event = (time: number): StreamingEvent => ({ kind: "StreamingStarted", time })
const timeOf = (event: StreamingEvent) => event.kind === "StreamingStarted" ? event.time : event.kind
const noFailure = (cause: Cause.Cause<unknown>) => assert.fail(Cause.pretty(cause))

it("the engine's listeners have seen an event when post returns, users' soon after, all in one order", () =>
  Effect.gen(function* () {
    const bus = yield* ListenerBus.make(noFailure)
    const engine: Array<unknown> = []
    const user: Array<unknown> = []
    bus.addEngineListener((event) => void engine.push(timeOf(event)))
    yield* bus.addListener((event) => void user.push(timeOf(event)))
    for (const time of [1, 2, 3]) bus.post(event(time))
    assert.deepEqual([engine, user], [[1, 2, 3], []])
    yield* bus.flush
    assert.deepEqual(user, [1, 2, 3])
  }))

it("an event that a listener posts comes after the one it answers, for everybody", () =>
  Effect.gen(function* () {
    const bus = yield* ListenerBus.make(noFailure)
    const first: Array<unknown> = []
    const second: Array<unknown> = []
    bus.addEngineListener((event) => {
      first.push(timeOf(event))
      if (event.kind === "StreamingStarted") bus.post({ kind: "RateUpdated", stream: "a", rate: 1 })
    })
    bus.addEngineListener((event) => void second.push(timeOf(event)))
    bus.post(event(1))
    bus.post(event(2))
    assert.deepEqual([first, second], [[1, "RateUpdated", 2, "RateUpdated"], [1, "RateUpdated", 2, "RateUpdated"]])
  }))

it("a slow listener loses what does not fit in its queue, everybody is told how much, and nobody waits", () =>
  Effect.gen(function* () {
    const bus = yield* ListenerBus.make(noFailure)
    const dropped: Array<number> = []
    const seen: Array<unknown> = []
    const gate = yield* Deferred.make<void>()
    bus.addEngineListener((event) => {
      if (event.kind === "ListenerEventsDropped") dropped.push(event.count)
      if (event.kind === "ListenerEventsDropped") assert.equal(event.listener, "slow")
    })
    yield* bus.addListener(
      (event) => Effect.andThen(Deferred.await(gate), Effect.sync(() => void seen.push(timeOf(event)))),
      { name: "slow", eventsMax: 10 }
    )
    for (let time = 1; time <= 100; time++) bus.post(event(time))
    assert.deepEqual(dropped, [1])
    yield* Deferred.succeed(gate, undefined)
    yield* bus.flush
    assert.deepEqual(seen.slice(0, 10), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    // 90 events of the engine, and the first report itself.
    assert.equal(dropped.reduce((sum, count) => sum + count, 0), 91)
    assert.equal(seen.at(-1), "ListenerEventsDropped")
    bus.post(event(101))
    yield* bus.flush
    assert.equal(seen.at(-1), 101)
  }))

it("a listener that throws or fails is reported once and goes on", () =>
  Effect.gen(function* () {
    const warnings: Array<unknown> = []
    const logger = Logger.make(({ message }) => void warnings.push(message))
    const seen: Array<unknown> = []
    yield* Effect.gen(function* () {
      const bus = yield* ListenerBus.make(noFailure)
      yield* bus.addListener((event) => {
        seen.push(timeOf(event))
        if (seen.length % 2 === 0) return Effect.fail("no")
        throw new Error("broken")
      }, { name: "status page" })
      for (const time of [1, 2, 3]) bus.post(event(time))
      yield* bus.flush
    }).pipe(Effect.provide(Logger.layer([logger])), Effect.provideService(References.MinimumLogLevel, "Warn"))
    assert.deepEqual(seen, [1, 2, 3])
    assert.equal(warnings.length, 1)
    assert.match(String(warnings[0]), /status page failed and goes on/)
  }))

it("an engine's listener that throws ends the context, and the others are still told", () =>
  Effect.gen(function* () {
    const causes: Array<Cause.Cause<never>> = []
    const seen: Array<unknown> = []
    const bus = yield* ListenerBus.make((cause) => void causes.push(cause))
    bus.addEngineListener(() => {
      throw new Error("our bug")
    })
    bus.addEngineListener((event) => void seen.push(timeOf(event)))
    bus.post(event(1))
    assert.match(Cause.pretty(causes[0]!), /our bug/)
    assert.deepEqual(seen, [1])
  }))

it("a listener that was removed is told no more, and holds no flush", () =>
  Effect.gen(function* () {
    const bus = yield* ListenerBus.make(noFailure)
    const seen: Array<unknown> = []
    const user = yield* bus.addListener((event) =>
      Effect.andThen(Effect.sync(() => void seen.push(timeOf(event))), Effect.sleep("1 hour"))
    )
    const remove = bus.addEngineListener((event) => void seen.push(timeOf(event)))
    bus.post(event(1))
    const flush = yield* Effect.forkScoped(bus.flush)
    yield* TestClock.adjust("1 second")
    assert.equal(flush.pollUnsafe(), undefined)
    yield* user.remove
    remove()
    bus.post(event(2))
    yield* TestClock.adjust("1 second")
    assert.notEqual(flush.pollUnsafe(), undefined)
    assert.deepEqual(seen, [1, 1])
  }))
