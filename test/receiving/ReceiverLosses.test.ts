/**
 * What a receiver loses is counted and told, and what it gives wrongly is refused at once.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { StoreError } from "../../core/receiving/Receiver.ts"
import { it } from "../kit.ts"
import { accepted, recorder, supervised } from "./supervised.ts"

it("what a callback stores after its run is dropped, counted and told, and does not throw", () =>
  Effect.gen(function* () {
    const { receiver, stores, store } = recorder()
    const { handle, errors } = yield* supervised({ receiver })
    store().restart("again", undefined, 100)
    yield* TestClock.adjust(100)
    for (let i = 0; i < 1000; i++) assert.equal(stores[0]!.single(i), false)
    assert.equal(stores[0]!.chunk(new Uint8Array(9), 9), false)
    assert.equal(errors().length, 1)
    assert.match(errors()[0]!, /this run of the receiver has ended: what it stores from now on is lost/)
    store().reportError("another")
    assert.equal(errors()[1], "another (1009 records lost so far)")
    handle.stop("Stopped by driver")
    yield* handle.awaitTermination
    assert.match(errors()[2]!, /1009 of its records are lost: .* 1009 came after their run had ended/)
    assert.equal(store().single("after the end of all"), false)
  }))

it("the number of records lost is told in full at the end, however many reports were left out", () =>
  Effect.gen(function* () {
    const { receiver, store } = recorder()
    const { handle, errors } = yield* supervised({
      receiver,
      settings: { blockIntervalMillis: 10 },
      answer: ({ kind }) => kind === "AddBlock" ? { kind: "Refused", reason: "its log failed" } : accepted
    })
    for (let i = 0; i < 50; i++) {
      store().single(i)
      store().single(i)
      yield* TestClock.adjust(10)
    }
    assert.equal(errors().length, 10)
    handle.stop("Stopped by driver")
    yield* handle.awaitTermination
    assert.match(errors().at(-1)!, /100 of its records are lost: 100 could not be stored/)
  }))

it("a number of encoded records that is none is refused at once", () =>
  Effect.gen(function* () {
    const { receiver, store } = recorder()
    const { infos } = yield* supervised({ receiver })
    for (const records of [1.5, -1, NaN, Infinity]) {
      const error = yield* Effect.flip(store().bytes(new Uint8Array(2), records))
      assert.match(error.message, new RegExp(`stream s: the number of encoded records .* not ${records}`))
      assert.throws(() => store().chunk(new Uint8Array(2), records), StoreError)
    }
    assert.match((yield* Effect.flip(store().bytes("text" as never))).message, /have to be a Uint8Array/)
    yield* TestClock.adjust(200)
    assert.deepEqual(infos(), [])
  }))

it("a block that no other executor takes counts all the same, and that is told once, and again after one that was taken", () =>
  Effect.gen(function* () {
    const { receiver, store } = recorder({ storageLevel: "MEMORY_AND_DISK_2" })
    const full = { partner: undefined, refusals: ["e2: no room"] }
    const copies = [full, full, { partner: "e2", refusals: [] }, full, { partner: undefined, refusals: [] }]
    const { errors, infos } = yield* supervised({ receiver, copy: () => copies.shift()! })
    for (let i = 0; i < 5; i++) yield* store().array([i])
    const alone = ["e1"]
    assert.deepEqual(infos().map(({ locations }) => locations), [alone, alone, ["e1", "e2"], alone, alone])
    assert.deepEqual(Object.keys(infos()[0]!).includes("degraded"), false)
    const told = (block: string) =>
      "From here on blocks are less safe than MEMORY_AND_DISK_2 says: " +
      `block ${block} is kept by e1 alone, and would be lost with it: e2: no room`
    assert.deepEqual(errors(), [told("s/2/4/0"), told("s/2/4/3")])
  }))
