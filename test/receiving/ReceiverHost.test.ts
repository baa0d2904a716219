/**
 * ReceiverHost: orders of the driver that come early, late, or for another attempt.
 */
import * as assert from "node:assert/strict"
import { Context, Effect } from "effect"
import { TestClock } from "effect/testing"
import type { InputDefinition } from "../../core/dstream/InputDStream.ts"
import type { ReceiverMessage, ToDriver } from "../../core/protocol/ExecutorProtocol.ts"
import * as Receiver from "../../core/receiving/Receiver.ts"
import { defaults } from "../../core/receiving/ReceivingSettings.ts"
import * as ReceiverHost from "../../runtime/executor/ReceiverHost.ts"
import type { Receivers } from "../../runtime/executor/Executor.ts"
import { it } from "../kit.ts"

/** A host whose forks begin when the test says so, before a driver that accepts everything. */
const hosted = Effect.gen(function* () {
  const messages: Array<ReceiverMessage> = []
  const calls: Array<string> = []
  const stores: Array<Receiver.Store<number>> = []
  const waiting: Array<Effect.Effect<void>> = []
  const receiver = Receiver.make<number, never, never>({
    name: "r",
    onStart: (store) => Effect.sync(() => (calls.push("onStart"), void stores.push(store))),
    onStop: Effect.sync(() => void calls.push("onStop"))
  })
  const input = { kind: "receiver", receiver } as unknown as InputDefinition<any, any, any>
  const host: Receivers = ReceiverHost.make({
    toDriver: (message: ToDriver) => {
      if (message.kind !== "ReceiverMessage") return
      messages.push(message.message)
      queueMicrotask(() => host.answer(message.request, { kind: "Accepted" }))
    },
    inputs: () => input,
    handlerOf: () =>
      Effect.succeed({
        level: "MEMORY_ONLY",
        handler: {
          store: () => Effect.succeed({ records: 1, bytes: 1, locations: ["e1"] }),
          answered: () => {},
          discard: () => Effect.void
        }
      }),
    epoch: 1,
    settings: defaults,
    context: Context.empty() as Context.Context<any>,
    fork: (effect) => void waiting.push(effect)
  })
  const begin = Effect.gen(function* () {
    for (const effect of waiting.splice(0)) yield* Effect.forkScoped(effect)
    yield* settle
  })
  const settle = Effect.gen(function* () {
    for (let i = 0; i < 5; i++) {
      yield* Effect.promise(() => new Promise<void>((done) => setImmediate(done)))
      yield* TestClock.adjust(0)
    }
  })
  const ends = () =>
    messages.flatMap((m) => m.kind === "ReceiverEnded" ? [`${m.attempt} ${m.stopped ? "for good" : "anew"}`] : [])
  return { host, begin, settle, calls, stores, ends }
})

it("a stop that is told before the supervisor exists is kept: the receiver never starts, and ends for good", () =>
  Effect.gen(function* () {
    const { host, begin, calls, ends } = yield* hosted
    host.start("s", 1, undefined)
    host.stop("s", 1, "Stopped by driver")
    yield* begin
    assert.deepEqual([calls, ends()], [[], ["1 for good"]])
  }))

it("a stop of an old attempt does not stop the new one, begun or not", () =>
  Effect.gen(function* () {
    const { host, begin, settle, calls, ends } = yield* hosted
    host.start("s", 1, undefined)
    yield* begin
    host.start("s", 2, undefined)
    host.stop("s", 1, "late")
    yield* begin
    host.stop("s", 1, "later")
    host.start("s", 1, undefined)
    yield* begin
    assert.deepEqual(calls.toSorted(), ["onStart", "onStart", "onStop"])
    assert.deepEqual(ends(), ["1 for good"])
    host.stop("s", 2, "Stopped by driver")
    yield* settle
    assert.deepEqual(ends(), ["1 for good", "2 for good"])
  }))

it("a rate that is told before the supervisor exists is kept", () =>
  Effect.gen(function* () {
    const { host, begin, stores } = yield* hosted
    host.start("s", 1, undefined)
    host.updateRate("s", 1)
    yield* begin
    const answers = Array.from({ length: 20 }, (_, i) => stores[0]!.single(i))
    assert.ok(answers.includes(false), "a limit of one record a second holds")
  }))
