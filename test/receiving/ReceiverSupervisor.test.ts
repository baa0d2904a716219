/**
 * ReceiverSupervisor: the life of one receiver on the virtual clock, against a driver that is a list of messages.
 */
import * as assert from "node:assert/strict"
import { Deferred, Effect, Fiber, Latch, Scope } from "effect"
import { TestClock } from "effect/testing"
import { testReceiver } from "../../adapters/memory/TestReceiver.ts"
import type { Store } from "../../core/receiving/Receiver.ts"
import { it } from "../kit.ts"
import { accepted, recorder, supervised } from "./supervised.ts"

it("a receiver registers, starts once, stores in every form, and each block is reported with its identity", () =>
  Effect.gen(function* () {
    const { calls, receiver, store } = recorder()
    const { infos, stored, kinds } = yield* supervised({ receiver })
    assert.deepEqual([calls, kinds()], [["onStart"], ["RegisterReceiver"]])
    const record = { same: "object" }
    assert.equal(store().single(record), true)
    assert.equal(store().chunk(Uint8Array.of(1, 2), 2), true)
    assert.equal(store().single("last"), true)
    yield* store().array(["a", "b"])
    yield* store().iterator(["c"].values())
    yield* store().bytes(Uint8Array.of(9))
    yield* TestClock.adjust(199)
    assert.equal(infos().length, 3)
    yield* TestClock.adjust(1)
    const lists = yield* stored()
    assert.deepEqual(lists, [["a", "b"], ["c"], [9], [record, 1, 2, "last"]])
    assert.equal(lists[3]![0], record)
    assert.deepEqual(infos().map(({ block, records }) => [block, records]), [
      ["s/2/4/0", 2],
      ["s/2/4/1", 1],
      ["s/2/4/2", undefined],
      ["s/2/4/3", 4]
    ])
    assert.deepEqual(infos()[0]!.locations, ["e1"])
  }))

it("an onStart that returns no Effect is told what to write, and fails its run as any other", () =>
  Effect.gen(function* () {
    for (
      const [returned, told] of [
        [undefined, "undefined; use Effect.sync"],
        [5, "5; use Effect.sync"],
        [Promise.resolve(), "a Promise; use Effect.promise"]
      ] as const
    ) {
      const { receiver } = recorder({ onStart: () => returned as any })
      const { messages } = yield* supervised({ receiver })
      const ended = messages.find(({ kind }) => kind === "DeregisterReceiver")
      assert.ok(ended?.kind === "DeregisterReceiver")
      assert.equal(ended.message, "Receiver failed")
      assert.match(ended.error!, new RegExp(`onStart has to return an Effect, and returned ${told}$`))
    }
  }))

it("a restart closes the run, waits, and runs anew under the same attempt; a store of the old run is dead", () =>
  Effect.gen(function* () {
    const { calls, receiver, stores, store } = recorder()
    const { kinds, messages } = yield* supervised({ receiver })
    store().restart("restarting", new Error("why"), 100)
    store().restart("a second time changes nothing", undefined, 5)
    yield* TestClock.adjust(99)
    assert.deepEqual(calls, ["onStart", "closed", "onStop"])
    yield* TestClock.adjust(1)
    assert.deepEqual(calls, ["onStart", "closed", "onStop", "onStart"])
    assert.deepEqual(kinds(), ["RegisterReceiver", "DeregisterReceiver", "RegisterReceiver"])
    assert.deepEqual(messages[1], {
      kind: "DeregisterReceiver",
      stream: "s",
      attempt: 4,
      message: "Restarting receiver with delay 100ms: restarting",
      error: "Error: why"
    })
    assert.equal(stores[0]!.single(1), false)
    assert.match((yield* Effect.flip(stores[0]!.array([1]))).message, /this run of the receiver has ended/)
    stores[0]!.restart("stale")
    stores[0]!.stop("stale")
    store().restart("by default after two seconds")
    yield* TestClock.adjust(1999)
    assert.equal(stores.length, 2)
    yield* TestClock.adjust(1)
    assert.equal(stores.length, 3)
  }))

it("a stop by the driver closes the run, flushes the partial block, awaits its answer, deregisters and ends for good", () =>
  Effect.gen(function* () {
    const { calls, receiver, store } = recorder()
    let answers = false
    const { handle, kinds, stored, messages } = yield* supervised({
      receiver,
      answer: ({ kind }) => kind === "AddBlock" && !answers ? undefined : accepted
    })
    store().single("partial")
    handle.stop("Stopped by driver")
    handle.stop("twice")
    yield* TestClock.adjust("1 second")
    assert.deepEqual(calls, ["onStart", "closed", "onStop"])
    // The driver does not answer: the block is reported again, and the end waits.
    yield* TestClock.adjust("5 seconds")
    assert.deepEqual(kinds(), ["RegisterReceiver", "AddBlock", "AddBlock"])
    answers = true
    yield* TestClock.adjust("5 seconds")
    yield* handle.awaitTermination
    assert.deepEqual(kinds().slice(3), ["AddBlock", "DeregisterReceiver", "ReceiverEnded"])
    assert.deepEqual(messages.at(-1), { kind: "ReceiverEnded", stream: "s", attempt: 4, stopped: true })
    assert.deepEqual((yield* stored())[0], ["partial"])
    assert.equal(store().single("late"), false)
  }))

it("a receiver that stops itself ends for good, one that fails or dies ends to be started anew", () =>
  Effect.gen(function* () {
    const ends: Array<unknown> = []
    for (
      const onStart of [
        (store: Store<any>) => Effect.sync(() => store.stop("enough", new Error("reason"))),
        () => Effect.fail(new Error("no source")),
        () => Effect.die(new Error("bug")),
        () => Effect.interrupt,
        (): Effect.Effect<void> => {
          throw new Error("thrown")
        }
      ]
    ) {
      const { receiver, calls } = recorder({ onStart })
      const { handle, messages } = yield* supervised({ receiver })
      yield* handle.awaitTermination
      assert.deepEqual(calls, ["onStop"])
      const [deregister, ended] = messages.slice(-2)
      assert.ok(deregister?.kind === "DeregisterReceiver" && ended?.kind === "ReceiverEnded")
      ends.push([ended.stopped, deregister.message, deregister.error])
    }
    assert.deepEqual(ends.slice(0, 3), [
      [true, "enough", "Error: reason"],
      [false, "Receiver failed", "Error: no source"],
      [false, "Receiver failed", "Error: bug"]
    ])
    assert.equal((ends[3] as Array<unknown>)[0], false)
    assert.deepEqual(ends[4], [false, "Receiver failed", "Error: thrown"])
  }))

it("a refused registration never starts the receiver", () =>
  Effect.gen(function* () {
    const { receiver, calls } = recorder()
    const { handle, messages } = yield* supervised({
      receiver,
      answer: ({ kind }) =>
        kind === "RegisterReceiver" ? { kind: "Refused", reason: "receiver: old attempt" } : accepted
    })
    yield* handle.awaitTermination
    assert.deepEqual(calls, [])
    assert.deepEqual(messages.at(-1), { kind: "ReceiverEnded", stream: "s", attempt: 4, stopped: false })
  }))

it("a stop that comes before the registration is answered never starts the receiver", () =>
  Effect.gen(function* () {
    const { receiver, calls } = recorder()
    let answers = false
    const { handle } = yield* supervised({ receiver, answer: () => answers ? accepted : undefined })
    handle.stop("Stopped by driver")
    answers = true
    yield* TestClock.adjust("5 seconds")
    yield* handle.awaitTermination
    assert.deepEqual(calls, [])
  }))

it("a block that the driver refuses is an error for who stored it, and is kept nowhere", () =>
  Effect.gen(function* () {
    const { receiver, store } = recorder()
    const { blocks, errors } = yield* supervised({
      receiver,
      answer: ({ kind }) => kind === "AddBlock" ? { kind: "Refused", reason: "its log failed" } : accepted
    })
    assert.match((yield* Effect.flip(store().array(["a"]))).message, /refused block s\/2\/4\/0: its log failed/)
    store().single("b")
    yield* TestClock.adjust(200)
    assert.deepEqual(errors(), [
      "1 records are lost: the driver refused block s/2/4/1: its log failed (1 records lost so far)"
    ])
    assert.equal(blocks.stats().memoryBlocks, 0)
    const failing: Iterator<unknown> = {
      next: () => {
        throw new Error("broken")
      }
    }
    assert.match(
      (yield* Effect.flip(store().iterator(failing))).message,
      /an iterator given to store failed: Error: broken/
    )
  }))

it("who is interrupted while storing does not take the block away from the driver", () =>
  Effect.gen(function* () {
    const { receiver, store } = recorder()
    let asked = 0
    const { blocks, infos, handle } = yield* supervised({
      receiver,
      answer: ({ kind }) => kind === "AddBlock" && ++asked < 2 ? undefined : accepted
    })
    const storing = yield* Effect.forkChild(store().array(["a"]), { startImmediately: true })
    yield* TestClock.adjust(1)
    yield* Fiber.interrupt(storing)
    handle.stop("Stopped by driver")
    yield* TestClock.adjust("5 seconds")
    yield* handle.awaitTermination
    assert.deepEqual(infos().map(({ block }) => block), ["s/2/4/0", "s/2/4/0"])
    assert.ok(blocks.has("s/2/4/0"))
  }))

it("when the memory is full a block waits for room, the receiver is held back, and nothing is lost", () =>
  Effect.gen(function* () {
    const { receiver, store } = recorder()
    const settings = { bufferedBytesSoftMax: 600, bufferedBytesHardMax: 1000 }
    const { blocks, infos, errors, handle } = yield* supervised({ receiver, settings, memoryLimitBytes: 1000 })
    const bytes = () => new Uint8Array(500)
    assert.equal(store().chunk(bytes(), 1), true)
    yield* TestClock.adjust(200)
    assert.equal(store().chunk(bytes(), 1), true)
    yield* TestClock.adjust(1000)
    assert.equal(errors().length, 1)
    assert.match(errors()[0]!, /A block waits for memory/)
    assert.equal(store().chunk(bytes(), 1), false)
    // Beyond the hard limit records are refused, counted and told of.
    assert.throws(() => store().chunk(bytes(), 7), /7 were refused so far; await store.ready/)
    const ready = yield* Effect.forkChild(store().ready)
    yield* TestClock.adjust(1000)
    assert.equal(ready.pollUnsafe(), undefined)
    yield* blocks.remove(["s/2/4/0"])
    yield* TestClock.adjust(200)
    yield* Fiber.join(ready)
    yield* blocks.remove(["s/2/4/1"])
    handle.stop("Stopped by driver")
    yield* TestClock.adjust(400)
    yield* handle.awaitTermination
    assert.deepEqual(infos().map(({ sequence }) => sequence), [0, 1, 2])
    assert.equal(errors().length, 3)
    assert.match(errors()[2]!, /7 of its records are lost: .* 7 were refused beyond the hard limits/)
  }))

it("a rate limit holds a receiver that waits when told, and a new rate reaches it", () =>
  Effect.gen(function* () {
    let count = 0
    const { receiver } = recorder({
      onStart: Effect.fnUntraced(function* (store: Store<number>) {
        while (true) if (!store.single(count++)) yield* store.ready
      })
    })
    const { handle } = yield* supervised({ receiver, rateLimit: 100, settings: { maxRate: 500 } })
    yield* TestClock.adjust("10 seconds")
    assert.ok(count >= 1000 && count <= 1101, `${count} records in 10 s at 100 a second`)
    handle.updateRate(1000)
    assert.equal(handle.rateLimit(), 500)
    const before = count
    yield* TestClock.adjust("10 seconds")
    assert.ok(count - before >= 4990 && count - before <= 5501, `${count - before} records in 10 s at 500 a second`)
  }), { timeout: 60_000 })

it("error reports are limited, and the next says how many were left out", () =>
  Effect.gen(function* () {
    const { receiver, store } = recorder({ onStop: Effect.die(new Error("onStop is broken")) })
    const { handle, errors, messages } = yield* supervised({ receiver })
    for (let i = 0; i < 15; i++) store().reportError(`e${i}`)
    assert.deepEqual(errors(), Array.from({ length: 10 }, (_, i) => `e${i}`))
    yield* TestClock.adjust("1 second")
    store().reportError("later", "text")
    assert.equal(errors().at(-1), "later (5 reports before this one were left out)")
    handle.stop("Stopped by driver")
    yield* handle.awaitTermination
    assert.ok(messages.some((m) => m.kind === "ReportError" && m.error === "Error: onStop is broken"))
    assert.equal(messages.at(-1)!.kind, "ReceiverEnded")
  }))

it("when the executor's scope closes, the run is closed and nothing more is sent", () =>
  Effect.gen(function* () {
    const { receiver, calls, store } = recorder()
    const scope = yield* Scope.make()
    const { kinds } = yield* Scope.provide(supervised({ receiver }), scope)
    store().single(1)
    yield* Scope.close(scope, yield* Effect.exit(Effect.void))
    assert.deepEqual(calls, ["onStart", "closed", "onStop"])
    assert.deepEqual(kinds(), ["RegisterReceiver"])
  }))

it("records of many fibers are neither lost nor doubled", () =>
  Effect.gen(function* () {
    const gate = Latch.makeUnsafe(false)
    const done = yield* Deferred.make<void>()
    const { receiver } = recorder({
      onStart: Effect.fnUntraced(function* (store: Store<number>) {
        const one = Effect.fnUntraced(function* (fiber: number) {
          yield* gate.await
          for (let i = 0; i < 1000; i++) {
            if (!store.single(fiber * 1000 + i)) yield* store.ready
            if (i % 100 === 0) yield* Effect.sleep(37)
          }
        })
        yield* Effect.all(Array.from({ length: 10 }, (_, i) => one(i)), { concurrency: "unbounded", discard: true })
        yield* Deferred.succeed(done, undefined)
      })
    })
    const { stored } = yield* supervised({ receiver })
    gate.openUnsafe()
    yield* TestClock.adjust("2 seconds")
    yield* Deferred.await(done)
    const all = (yield* stored()).flat() as Array<number>
    assert.equal(all.length, 10_000)
    assert.equal(new Set(all).size, 10_000)
  }))

it("the test receiver stores each value at its time, and with an origin nothing of the past", () =>
  Effect.gen(function* () {
    const values = [{ time: "300 millis", value: "b" }, { time: 0, value: "a" }, { time: 310, value: "c" }] as const
    const first = yield* supervised({ receiver: testReceiver(values) })
    yield* TestClock.adjust(200)
    assert.deepEqual(yield* first.stored(), [["a"]])
    yield* TestClock.adjust(200)
    assert.deepEqual(yield* first.stored(), [["a"], ["b", "c"]])
    yield* TestClock.setTime(10_305)
    const second = yield* supervised({ receiver: testReceiver(values, { origin: 10_000 }) })
    yield* TestClock.adjust(200)
    assert.deepEqual(yield* second.stored(), [["c"]])
  }))
