/**
 * BlockGenerator and RateLimiter, the pure machines: nothing is lost, doubled or cut, whatever the order of adds, ticks and pushes.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { recordsOf } from "../../core/blocks/BlockContents.ts"
import * as BlockGenerator from "../../core/receiving/BlockGenerator.ts"
import * as RateLimiter from "../../core/receiving/RateLimiter.ts"
import { defaults } from "../../core/receiving/ReceivingSettings.ts"

const limits = {
  ...defaults,
  blockQueueSize: 2,
  bufferedRecordsSoftMax: 20,
  bufferedRecordsHardMax: 40,
  bufferedBytesSoftMax: 100,
  bufferedBytesHardMax: 200
}

const decode = (bytes: Uint8Array) => Array.from(bytes)

test("what is added is in exactly one block, in order, one call never cut, under random adds, ticks and pushes", () => {
  const step = fc.oneof(
    fc.constant({ kind: "one" as const, count: 1 }),
    fc.record({ kind: fc.constantFrom("many" as const, "chunk" as const), count: fc.nat(8) }),
    fc.constant({ kind: "cut" as const, count: 0 }),
    fc.constant({ kind: "push" as const, count: 0 })
  )
  fc.assert(fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
    const generator = BlockGenerator.make(limits)
    const calls: Array<ReadonlyArray<number>> = []
    const blocks: Array<ReadonlyArray<unknown>> = []
    let next = 0
    let refused = 0
    let time = 0
    const push = () => {
      const block = BlockGenerator.take(generator)
      if (block === undefined) return
      const records = recordsOf(block.contents, decode)
      assert.equal(block.records, records.length)
      assert.ok(block.contents.parts.length > 0, "a block is never empty")
      blocks.push(records)
      BlockGenerator.release(generator, block)
    }
    for (const { kind, count } of steps) {
      if (kind === "cut") {
        const had = BlockGenerator.hasCurrent(generator) && generator.queue.length < limits.blockQueueSize
        assert.equal(BlockGenerator.cut(generator, time += 200), had)
      } else if (kind === "push") push()
      else {
        // Numbers below 256, so that a chunk can hold them too.
        const records = Array.from({ length: count }, () => next++ % 251)
        const bytes = kind === "chunk" ? count : count * 8
        const before = generator.bufferedRecords
        const answer = kind === "one"
          ? BlockGenerator.addRecord(generator, records[0])
          : kind === "many"
          ? BlockGenerator.addRecords(generator, records)
          : BlockGenerator.addChunk(generator, Uint8Array.from(records), count)
        if (answer === "refused") {
          assert.ok(before + count > limits.bufferedRecordsHardMax || generator.bufferedBytes + bytes > 200)
          refused += count
        } else {
          calls.push(records)
          assert.equal(answer === "pause", BlockGenerator.isFull(generator))
        }
      }
      assert.ok(generator.bufferedRecords <= limits.bufferedRecordsHardMax)
    }
    BlockGenerator.stopAdding(generator)
    assert.equal(BlockGenerator.addRecord(generator, 1), "refused")
    BlockGenerator.cut(generator, time + 200)
    while (generator.queue.length > 0) push()
    assert.ok(BlockGenerator.isDrained(generator))
    assert.equal(generator.refused, refused + 1)
    assert.deepEqual(blocks.flat(), calls.flat())
    // One call never cut: every block's end is the end of a call.
    const ends = new Set<number>([0])
    let sum = 0
    for (const call of calls) ends.add(sum += call.length)
    sum = 0
    for (const block of blocks) assert.ok(ends.has(sum += block.length))
  }))
})

test("an interval without records makes no block, and a block shows the start of its interval", () => {
  const generator = BlockGenerator.make(defaults)
  assert.equal(BlockGenerator.cut(generator, 200), false)
  BlockGenerator.addRecord(generator, "a")
  assert.equal(BlockGenerator.cut(generator, 400), true)
  assert.equal(BlockGenerator.cut(generator, 600), false)
  BlockGenerator.addRecords(generator, ["b", "c"])
  assert.equal(BlockGenerator.cut(generator, 800), true)
  assert.deepEqual(generator.queue.map((block) => block.intervalStart), [200, 600])
})

test("a full queue makes adding pause and cutting wait, and nothing is lost by it", () => {
  const generator = BlockGenerator.make(limits)
  for (const tick of [200, 400, 600]) {
    BlockGenerator.addRecord(generator, tick)
    assert.equal(BlockGenerator.cut(generator, tick), tick < 600)
  }
  assert.equal(BlockGenerator.addRecord(generator, 601), "pause")
  const first = BlockGenerator.take(generator)!
  BlockGenerator.release(generator, first)
  assert.equal(BlockGenerator.cut(generator, 800), true)
  assert.deepEqual(generator.queue.map((block) => recordsOf(block.contents, undefined)), [[400], [600, 601]])
})

test("records count with their size: large texts, bytes and objects pause and are refused by the limits on bytes", () => {
  const large = {
    text: () => "x".repeat(100_000),
    bytes: () => new Uint8Array(200_000),
    object: () => ({ id: 1, lines: ["x".repeat(200_000)] })
  }
  for (const [kind, make] of Object.entries(large)) {
    const generator = BlockGenerator.make({ ...defaults, bufferedBytesSoftMax: 1e6, bufferedBytesHardMax: 2e6 })
    const answers: Array<string> = []
    for (let i = 0; i < 12; i++) answers.push(BlockGenerator.addRecord(generator, make()))
    assert.deepEqual([answers[3], answers[5], answers[8], answers[11]], ["go", "pause", "pause", "refused"], kind)
    BlockGenerator.cut(generator, 200)
    BlockGenerator.release(generator, BlockGenerator.take(generator)!)
    assert.ok(BlockGenerator.isDrained(generator))
  }
})

test("small records reach the limit on their number, not that on bytes", () => {
  const generator = BlockGenerator.make(defaults)
  let added = 1
  while (BlockGenerator.addRecord(generator, added) === "go") added++
  assert.equal(added, defaults.bufferedRecordsSoftMax)
})

test("the limit is the smaller of new and maximum rate, and a rate of zero or less changes nothing", () => {
  const limitAfter = (maxRate: number | undefined, rate: number) => {
    const limiter = RateLimiter.make({ maxRate })
    RateLimiter.update(limiter, rate, 0)
    return limiter.limit
  }
  assert.equal(limitAfter(undefined, 105), 105)
  assert.equal(limitAfter(110, 105), 105)
  assert.equal(limitAfter(100, 105), 100)
  assert.equal(limitAfter(0, 105), 105)
  const limiter = RateLimiter.make({ maxRate: 100, initialRate: 40 })
  const seen = [limiter.limit]
  for (const rate of [0, -5, 70, 500, NaN]) {
    RateLimiter.update(limiter, rate, 0)
    seen.push(limiter.limit)
  }
  assert.deepEqual(seen, [40, 40, 40, 70, 100, 100])
  assert.equal(RateLimiter.make({}).limit, undefined)
})

test("who waits when told to takes no more than the rate, and no less", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 5000 }),
    fc.array(fc.record({ count: fc.integer({ min: 1, max: 50 }), idle: fc.nat(3000) }), {
      minLength: 1,
      maxLength: 200
    }),
    (rate, takes) => {
      const limiter = RateLimiter.make({ initialRate: rate })
      let now = 0
      let taken = 0
      let waited = 0
      for (const { count, idle } of takes) {
        now += idle % 7 === 0 ? idle : 0
        const wait = RateLimiter.take(limiter, count, now)
        taken += count
        const seconds = now / 1000
        assert.ok(taken - count <= rate * (seconds + RateLimiter.burstSeconds) + 1e-6)
        now += wait
        waited += wait
        assert.equal(RateLimiter.waitMillis(limiter, now), 0, "the wait was long enough")
      }
      assert.ok(waited <= (taken / rate) * 1000 + takes.length, "and no longer than the records need")
    }
  ))
})

test("a clock that is set back gives nothing and does not block", () => {
  const limiter = RateLimiter.make({ initialRate: 10 })
  RateLimiter.take(limiter, 1, 10_000)
  assert.equal(RateLimiter.waitMillis(limiter, 5000), 100)
  assert.equal(RateLimiter.waitMillis(limiter, 5100), 0)
})
