/**
 * Wakefulness over a loop that is turned by hand: awake while answers come at once, asleep where they do not.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Wakefulness } from "../../adapters/threads/Wakefulness.ts"

/** Each turn takes 0.1 ms. */
const handTurned = () => {
  let now = 0
  let turns = 0
  let waiting: (() => void) | undefined
  const thread = new Wakefulness({ now: () => now, soon: (work) => void (waiting = work) })
  /** Turns until the thread sleeps, or so often. */
  const turn = (most: number) => {
    for (let n = 0; n < most && waiting !== undefined; n++) {
      const work = waiting
      waiting = undefined
      now += 0.1
      turns++
      work()
    }
  }
  return { thread, turn, turns: () => turns, isAsleep: () => waiting === undefined }
}

test("a thread whose messages are answered at once is awake for each answer", () => {
  const { thread, turn, isAsleep } = handTurned()
  for (let n = 0; n < 100; n++) {
    thread.sent()
    turn(2)
    assert.equal(isAsleep(), false)
    thread.heard()
  }
  turn(1)
  assert.equal(isAsleep(), true)
})

test("a thread whose answers are late sleeps, and stays awake for one message in 65 at last", () => {
  const { thread, turn, turns, isAsleep } = handTurned()
  for (let n = 0; n < 1000; n++) {
    thread.sent()
    turn(10)
    assert.equal(isAsleep(), true)
    thread.heard()
  }
  assert.ok(turns() > 0 && turns() <= 4 * (7 + 1000 / 65), `${turns()} turns`)
})

test("a late answer or two do no harm once answers come at once again", () => {
  const { thread, turn, isAsleep } = handTurned()
  thread.sent()
  turn(10)
  thread.heard()
  thread.sent()
  assert.equal(isAsleep(), true)
  thread.sent()
  turn(1)
  thread.heard()
  thread.sent()
  turn(1)
  assert.equal(isAsleep(), false)
})
