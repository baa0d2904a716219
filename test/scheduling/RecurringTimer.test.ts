import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Cause, Clock, Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { isSetBack, startTime, ticksDue, zeroTime } from "../../core/scheduling/RecurringTimer.ts"
import * as Interval from "../../core/time/Interval.ts"
import * as RecurringTimer from "../../runtime/driver/RecurringTimer.ts"
import { it } from "../kit.ts"

const noFailure = (cause: Cause.Cause<unknown>) => assert.fail(Cause.pretty(cause))

test("the first call is the next multiple of the period strictly after now", () => {
  const cases = [[0, 100, 100], [99, 100, 100], [100, 100, 200], [1234, 500, 1500]] as const
  for (const [now, period, expected] of cases) assert.equal(startTime(now, period), expected)
})

test("zero time is the multiple of the batch duration at or before now", () => {
  const cases = [[0, 1000, 0], [1500, 1000, 1000], [2000, 1000, 2000], [12_000, 2000, 12_000]] as const
  for (const [now, batchMillis, zero] of cases) assert.equal(zeroTime(now, batchMillis), zero)
})

test("the ticks that are due are those that a list of all ticks would hold", () => {
  fc.assert(fc.property(fc.nat(50), fc.nat(300), fc.integer({ min: 1, max: 30 }), (first, now, period) => {
    const listed = Array.from({ length: 400 }, (_, index) => first + index * period).filter((tick) => tick <= now)
    const due = ticksDue(first, now, period)
    assert.deepEqual(
      due,
      listed.length === 0 ? undefined : { first: listed[0], last: listed.at(-1), count: listed.length }
    )
  }))
})

test("intervals shift, print and cover windows as Spark's do", () => {
  const interval = { begin: 1000, end: 3000 }
  assert.equal(Interval.duration(interval), 2000)
  assert.deepEqual(Interval.shift(interval, 500), { begin: 1500, end: 3500 })
  assert.deepEqual(Interval.shift(interval, -1000), { begin: 0, end: 2000 })
  assert.equal(Interval.format(interval), "[1000 ms, 3000 ms]")
  assert.deepEqual(Interval.ofWindow(5000, 3000, 1000), { begin: 3000, end: 5000 })
  assert.deepEqual(Interval.ofWindow(1000, 3000, 1000), { begin: -1000, end: 1000 })
  assert.deepEqual(Interval.timesUntil(1000, 1100, 30), [1000, 1030, 1060, 1090])
  assert.deepEqual(Interval.timesUntil(1000, 1000, 100), [])
})

const recorder = Effect.fnUntraced(function* (period: number) {
  const calls: Array<readonly [first: number, last: number]> = []
  const setBacks: Array<number> = []
  const callbacks: RecurringTimer.Callbacks = {
    ticked: (first, last) => void calls.push([first, last]),
    setBack: (now) => void setBacks.push(now)
  }
  const timer = yield* RecurringTimer.make(period, callbacks, noFailure)
  return { timer, calls, setBacks }
})

it("calls come at multiples of the period, with the time they were due, until it stops", () =>
  Effect.gen(function* () {
    yield* TestClock.setTime(350)
    const { timer, calls } = yield* recorder(100)
    timer.start()
    yield* TestClock.adjust(49)
    assert.deepEqual(calls, [])
    yield* TestClock.adjust(251)
    assert.deepEqual(calls, [[400, 400], [500, 500], [600, 600]])
    yield* timer.stop
    yield* TestClock.adjust(1000)
    assert.equal(calls.length, 3)
  }))

it("a timer that starts at the time that it is calls at once", () =>
  Effect.gen(function* () {
    const { timer, calls } = yield* recorder(100)
    timer.start(0)
    yield* TestClock.adjust(300)
    assert.deepEqual(calls.map(([first]) => first), [0, 100, 200, 300])
  }))

/** A clock that is read from a script: what the machine's clock shows after each sleep. */
const scripted = (times: ReadonlyArray<number>) => {
  const sleeps: Array<number> = []
  let index = 0
  const now = () => times[Math.min(index, times.length - 1)]!
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: now,
    currentTimeMillis: Effect.sync(now),
    currentTimeNanosUnsafe: () => BigInt(now()) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => BigInt(now()) * 1_000_000n),
    monotonicTimeNanosUnsafe: () => BigInt(now()) * 1_000_000n,
    monotonicTimeNanos: Effect.sync(() => BigInt(now()) * 1_000_000n),
    sleep: (duration) =>
      Effect.suspend(() => {
        sleeps.push(Duration.toMillis(duration))
        index++
        return index < times.length ? Effect.void : Effect.never
      })
  }
  return { clock, sleeps }
}

const script = (times: ReadonlyArray<number>, period: number, first: number) =>
  Effect.gen(function* () {
    const { clock, sleeps } = scripted(times)
    const { timer, ...told } = yield* Effect.provideService(recorder(period), Clock.Clock, clock)
    timer.start(first)
    yield* Effect.yieldNow
    return { ...told, sleeps }
  })

it("a sleep that ends early is followed by another", () =>
  Effect.gen(function* () {
    const { calls } = yield* script([0, 99, 99, 100, 199, 201], 100, 100)
    assert.deepEqual(calls, [[100, 100], [200, 200]])
  }))

it("a clock that jumps forward gives one call with all ticks that are due", () =>
  Effect.gen(function* () {
    const { calls } = yield* script([0, 100, 86_400_050, 86_400_100], 100, 100)
    assert.deepEqual(calls, [[100, 100], [200, 86_400_000], [86_400_100, 86_400_100]])
  }))

it("a clock that is set back gives no tick twice", () =>
  Effect.gen(function* () {
    const { calls } = yield* script([1000, 1100, 500, 900, 1150, 1200], 100, 1100)
    assert.deepEqual(calls, [[1100, 1100], [1200, 1200]])
  }))

it("a clock that is set back by a period or more behind the last tick is told, each time that it is", () =>
  Effect.gen(function* () {
    const times = [1000, 1100, 1001, 1050, 1100, 1199, 1000, 1100, 300, 310, 305, 1050, 1200, 1290, 1300, 1190]
    const { calls, setBacks } = yield* script(times, 100, 1100)
    assert.deepEqual(setBacks, [1000, 300, 305, 1190])
    assert.deepEqual(calls, [[1100, 1100], [1200, 1200], [1300, 1300]])
  }))

it("a first tick that lies far ahead of the clock is a clock that was set back before", () =>
  Effect.gen(function* () {
    const { setBacks } = yield* script([0, 100, 200], 100, 1000)
    assert.deepEqual(setBacks, [0])
  }))

test("a clock is set back when all ticks of a period were told already", () => {
  const cases = [[1200, 1200, false], [1200, 1099, false], [1200, 1001, false], [1200, 1000, true], [
    1200,
    5,
    true
  ]] as const
  for (const [next, now, expected] of cases) assert.equal(isSetBack(next, now, 100), expected, `${next}, ${now}`)
})

it("under a long period the clock is looked at every few seconds", () =>
  Effect.gen(function* () {
    const hour = 3_600_000
    const { calls, sleeps } = yield* script([0, 10_000, hour + 5], hour, hour)
    assert.deepEqual(sleeps.slice(0, 2), [RecurringTimer.sleepMillisMax, RecurringTimer.sleepMillisMax])
    assert.deepEqual(calls, [[hour, hour]])
  }))

it("a callback that throws ends the context with its cause", () =>
  Effect.gen(function* () {
    const causes: Array<Cause.Cause<never>> = []
    const ticked = () => {
      throw new Error("broken")
    }
    const callbacks = { ticked, setBack: () => {} }
    const timer = yield* RecurringTimer.make(100, callbacks, (cause) => void causes.push(cause))
    timer.start()
    yield* TestClock.adjust(1000)
    assert.match(Cause.pretty(causes[0]!), /broken/)
    assert.equal(causes.length, 1)
  }))
