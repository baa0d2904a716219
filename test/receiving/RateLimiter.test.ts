/**
 * RateLimiter: how much may be taken, over any span of time and across updates.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import * as RateLimiter from "../../core/receiving/RateLimiter.ts"

const takes = fc.array(
  fc.record({ count: fc.integer({ min: 1, max: 50 }), idle: fc.oneof(fc.constant(0), fc.nat(9000)) }),
  {
    minLength: 1,
    maxLength: 60
  }
)

test("over any span no more than the rate, one burst and one last take are taken, however long nothing was taken before", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 2000 }), takes, (rate, script) => {
    const limiter = RateLimiter.make({ initialRate: rate })
    const taken: Array<{ readonly at: number; readonly count: number }> = []
    let now = 0
    for (const { count, idle } of script) {
      now += idle
      taken.push({ at: now, count })
      now += RateLimiter.take(limiter, count, now)
    }
    taken.forEach((first, from) => {
      let before = 0
      for (const { at, count } of taken.slice(from)) {
        // `before` is all of the span but its last take.
        assert.ok(before <= rate * ((at - first.at) / 1000 + RateLimiter.burstSeconds) + 1e-6)
        before += count
      }
    })
  }))
})

test("after an hour without a record one burst goes at once, and what follows waits", () => {
  const limiter = RateLimiter.make({ initialRate: 10 })
  assert.equal(RateLimiter.take(limiter, 1, 0), 100)
  for (let n = 0; n < 10; n++) assert.equal(RateLimiter.take(limiter, 1, 3_600_000), 0)
  assert.equal(RateLimiter.take(limiter, 1, 3_600_000), 100)
})

test("an update leaves a debt of as many records, to be paid at the new rate", () => {
  const limiter = RateLimiter.make({ initialRate: 100 })
  assert.equal(RateLimiter.take(limiter, 60, 0), 600)
  RateLimiter.update(limiter, 20, 100)
  assert.equal(limiter.tokens, -50)
  assert.equal(RateLimiter.waitMillis(limiter, 100), 2500)
  RateLimiter.update(limiter, 1000, 1100)
  assert.equal(limiter.tokens, -30)
  assert.equal(RateLimiter.waitMillis(limiter, 1100), 30)
})

test("what was earned before an update was earned at the old rate, and a burst of the old rate is not made smaller", () => {
  const limiter = RateLimiter.make({ initialRate: 10 })
  RateLimiter.take(limiter, 10, 0)
  RateLimiter.update(limiter, 1000, 500)
  assert.equal(limiter.tokens, -5)
  const saved = RateLimiter.make({ initialRate: 100 })
  RateLimiter.take(saved, 1, 0)
  RateLimiter.update(saved, 10, 5000)
  assert.equal(RateLimiter.take(saved, 100, 5000), 0)
  assert.equal(RateLimiter.take(saved, 1, 5000), 100)
})
