/**
 * Numbered records: a source's blocks count in order whatever becomes of each, and the next run goes on behind what is stored.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { BlockId } from "../../core/blocks/ReceivedBlock.ts"
import type { ReceiverAnswer, ReceiverMessage } from "../../core/protocol/ExecutorProtocol.ts"
import type { ReceivedBlockHandler } from "../../runtime/executor/blocks/ReceivedBlockHandler.ts"
import { BlockError } from "../../runtime/executor/blocks/BlockManager.ts"
import { SourceOrder } from "../../runtime/executor/SourceOrder.ts"
import { it } from "../kit.ts"
import { accepted, recorder, supervised } from "./supervised.ts"

const range = (from: number, to: number, source = "a") => ({ range: { source, from, to } })

/** A handler whose blocks are safe, or not, when the test says so. */
const gated = () => {
  const gates = new Map<BlockId, Deferred.Deferred<void, BlockError>>()
  const discarded: Array<BlockId> = []
  const handler: ReceivedBlockHandler = {
    store: (block) =>
      Effect.gen(function* () {
        const gate = Deferred.makeUnsafe<void, BlockError>()
        gates.set(block, gate)
        yield* Deferred.await(gate)
        return { records: 1, bytes: 1, locations: ["e1"] }
      }),
    answered: () => {},
    discard: (block) => Effect.sync(() => void discarded.push(block))
  }
  const end = (sequence: number, fails = false) => {
    const block = `s/2/4/${sequence}`
    const error = new BlockError({ block, reason: "Log", message: "the disk is full" })
    Deferred.doneUnsafe(gates.get(block)!, fails ? Exit.fail(error) : Exit.void)
    return TestClock.adjust(0)
  }
  return { handler: () => handler, discarded, end }
}

const reported = (messages: ReadonlyArray<ReceiverMessage>) =>
  messages.flatMap((m) => m.kind === "AddBlock" ? (m.info.ranges ?? []).map(({ from, to }) => `${from}-${to}`) : [])

it("blocks of a source are reported in the order in which they were given, however long each takes to store", () =>
  Effect.gen(function* () {
    const { receiver, store } = recorder()
    const { handler, end } = gated()
    const { messages } = yield* supervised({ receiver, handler })
    for (const [from, to, source] of [[0, 4, "a"], [5, 9, "a"], [0, 1, "b"]] as const) {
      yield* Effect.forkScoped(store().array([1], range(from, to, source)))
    }
    yield* TestClock.adjust(0)
    yield* end(1)
    assert.deepEqual(reported(messages), [])
    yield* end(2)
    assert.deepEqual(reported(messages), ["0-1"], "another source does not wait")
    yield* end(0)
    assert.deepEqual(reported(messages), ["0-1", "0-4", "5-9"])
    assert.deepEqual([store().highWaterMark("a"), store().highWaterMark("b"), store().highWaterMark("c")], [
      9,
      1,
      undefined
    ])
  }))

it("after a block that failed, those behind it are refused and thrown away, until one begins where it began", () =>
  Effect.gen(function* () {
    const { receiver, store } = recorder()
    const { handler, discarded, end } = gated()
    const { messages } = yield* supervised({ receiver, handler })
    const first = yield* Effect.forkScoped(Effect.result(store().array([1], range(0, 4))))
    const second = yield* Effect.forkScoped(Effect.result(store().array([1], range(5, 9))))
    yield* TestClock.adjust(0)
    yield* end(1)
    yield* end(0, true)
    const failed = yield* Fiber.join(first)
    assert.ok(failed._tag === "Failure" && /the disk is full/.test(failed.failure.message))
    const behind = yield* Fiber.join(second)
    assert.ok(behind._tag === "Failure")
    assert.match(behind.failure.message, /records of source "a" from 0 on were not stored: store those first/)
    assert.deepEqual([discarded, reported(messages)], [["s/2/4/1"], []])
    const third = yield* Effect.forkScoped(store().array([1], range(0, 2)))
    yield* TestClock.adjust(0)
    yield* end(2)
    yield* Fiber.join(third)
    const fourth = yield* Effect.forkScoped(store().array([1], range(3, 9)))
    yield* TestClock.adjust(0)
    yield* end(3)
    yield* Fiber.join(fourth)
    assert.deepEqual(reported(messages), ["0-2", "3-9"])
  }))

it("a run begins with the marks that the driver answered, and a block that is stored already is thrown away as if stored", () =>
  Effect.gen(function* () {
    const { receiver, stores, store } = recorder()
    const answer = (message: ReceiverMessage): ReceiverAnswer =>
      message.kind === "RegisterReceiver"
        ? { kind: "Accepted", marks: [["a", 10 * stores.length + 7]] }
        : message.kind === "AddBlock"
        ? { kind: "Accepted", repeated: true }
        : accepted
    const { blocks, infos } = yield* supervised({ receiver, answer })
    assert.equal(store().highWaterMark("a"), 7)
    yield* store().array([1], range(0, 7))
    assert.equal(infos().length, 1)
    assert.equal(blocks.has("s/2/4/0"), false)
    store().restart("again", undefined, 0)
    yield* TestClock.adjust(10)
    assert.equal(stores.length, 2)
    assert.equal(store().highWaterMark("a"), 17)
  }))

it("a block of a run that has ended is not reported any more", () =>
  Effect.gen(function* () {
    const { receiver, stores, store } = recorder()
    const { handler, discarded, end } = gated()
    const { messages } = yield* supervised({ receiver, handler })
    const late = yield* Effect.forkScoped(Effect.result(store().array([1], range(0, 4))))
    yield* TestClock.adjust(0)
    store().restart("again", undefined, 0)
    yield* TestClock.adjust(10)
    assert.equal(stores.length, 2)
    const next = yield* Effect.forkScoped(store().array([1], range(0, 2)))
    yield* TestClock.adjust(0)
    yield* end(1)
    yield* end(0)
    const result = yield* Fiber.join(late)
    assert.ok(result._tag === "Failure" && /run of the receiver has ended/.test(result.failure.message))
    yield* Fiber.join(next)
    assert.deepEqual([reported(messages), discarded], [["0-2"], ["s/2/4/0"]])
  }))

it("a range that cannot be is told at once", () =>
  Effect.gen(function* () {
    const { receiver, store } = recorder()
    const { infos } = yield* supervised({ receiver })
    const { message } = yield* Effect.flip(store().bytes(new Uint8Array(1), 1, range(3, 2)))
    assert.match(message, /the range of source "a" has to be whole numbers/)
    assert.match((yield* Effect.flip(store().array([1], range(0, 0, "")))).message, /1 to 200 characters/)
    assert.equal(infos().length, 0)
  }))

test("a place that is given up is a hole", () => {
  const sources = new SourceOrder()
  const first = sources.place(range(0, 4).range)
  const second = sources.place(range(5, 9).range)
  first.end(false)
  assert.match(Effect.runSync(second.turn)!, /from 0 on were not stored/)
  second.end(false)
  const again = sources.place(range(0, 9).range)
  assert.equal(Effect.runSync(again.turn), undefined)
  again.end(true)
  assert.equal(sources.markOf("a"), 9)
})

test("what is at or below the mark is no hole: whoever begins behind the mark goes on", () => {
  const sources = new SourceOrder()
  sources.begin([["a", 4]])
  const store = (from: number, to: number, stored: boolean) => {
    const place = sources.place(range(from, to).range)
    const why = Effect.runSync(place.turn)
    place.end(stored && why === undefined)
    return why
  }
  assert.equal(store(3, 8, false), undefined)
  assert.match(store(6, 8, true)!, /from 5 on were not stored: store those first, or begin behind the high-water mark/)
  assert.equal(store(5, 8, true), undefined)
  assert.equal(store(9, 12, false), undefined)
  // A repetition closes no hole.
  assert.equal(store(1, 2, true), undefined)
  assert.match(store(13, 16, true)!, /from 9 on/)
  assert.equal(store(1, 2, false), undefined)
  assert.equal(store(9, 16, true), undefined)
})

test("a run begins without the holes of the one before", () => {
  const sources = new SourceOrder()
  sources.place(range(0, 4).range).end(false)
  sources.begin([["a", 4]])
  assert.equal(Effect.runSync(sources.place(range(5, 9).range).turn), undefined)
  sources.place(range(7, 9).range).end(false)
  sources.begin([])
  assert.equal(Effect.runSync(sources.place(range(10, 12).range).turn), undefined)
})
