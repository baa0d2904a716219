/**
 * ReceiverSchedulingPolicy: even spread and preferences as properties, and the cases of Spark's suite.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { leastLoaded, roundRobin } from "../../core/receiving/ReceiverSchedulingPolicy.ts"

const receivers = (hosts: ReadonlyArray<string | undefined>) =>
  hosts.map((preferredHost, i) => ({ stream: `s${i}`, preferredHost }))

const executors = (hosts: ReadonlyArray<string>) => hosts.map((host, i) => ({ executor: `e${i}`, host }))

const host: fc.Arbitrary<string> = fc.constantFrom("a", "b", "c")
const anyReceivers = fc.array(fc.option(fc.constantFrom("a", "b", "c", "nowhere"), { nil: undefined }), {
  maxLength: 12
})

const loads = (plan: ReadonlyMap<string, ReadonlyArray<string>>) => {
  const counts = new Map<string, number>()
  for (const [first] of plan.values()) if (first !== undefined) counts.set(first, (counts.get(first) ?? 0) + 1)
  return counts
}

for (const policy of [leastLoaded, roundRobin]) {
  test(`${policy.name}: every receiver has a place, on its preferred host where there is one`, () => {
    fc.assert(fc.property(anyReceivers, fc.array(host, { maxLength: 6 }), (wanted, hosts) => {
      const there = executors(hosts)
      const plan = policy.schedule(receivers(wanted), there)
      assert.equal(plan.size, wanted.length)
      wanted.forEach((preferred, i) => {
        const [first] = plan.get(`s${i}`)!
        assert.equal(first === undefined, hosts.length === 0)
        if (preferred !== undefined && hosts.includes(preferred)) {
          assert.equal(there.find(({ executor }) => executor === first)!.host, preferred)
        }
      })
    }))
  })

  test(`${policy.name}: receivers without a preference are spread evenly`, () => {
    fc.assert(fc.property(fc.nat(20), fc.integer({ min: 1, max: 7 }), (count, size) => {
      const plan = policy.schedule(receivers(Array(count).fill(undefined)), executors(Array(size).fill("h")))
      const counts = Array.from({ length: size }, (_, i) => loads(plan).get(`e${i}`) ?? 0)
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1)
    }))
  })
}

test("leastLoaded: every executor is a candidate of some receiver, once there is one", () => {
  fc.assert(fc.property(anyReceivers, fc.array(host, { minLength: 1, maxLength: 6 }), (wanted, hosts) => {
    const plan = leastLoaded.schedule(receivers(wanted), executors(hosts))
    const candidates = new Set(Array.from(plan.values()).flat())
    assert.equal(candidates.size, wanted.length === 0 ? 0 : hosts.length)
  }))
})

test("leastLoaded: receivers that prefer a host are placed on it first, the others elsewhere", () => {
  const wanted = receivers([undefined, undefined, undefined, "h1", "h1", "h1"])
  const plan = leastLoaded.schedule(wanted, executors(["h1", "h1", "h1", "h2", "h2", "h2"]))
  assert.deepEqual(["s3", "s4", "s5"].flatMap((stream) => plan.get(stream)!).sort(), ["e0", "e1", "e2"])
  assert.deepEqual(["s0", "s1", "s2"].flatMap((stream) => plan.get(stream)!).sort(), ["e3", "e4", "e5"])
})

test("leastLoaded: one receiver over several executors may go to any of them", () => {
  assert.deepEqual(leastLoaded.schedule(receivers([undefined]), executors(["a", "b"])).get("s0"), ["e0", "e1"])
})

test("leastLoaded: all idle executors are candidates of a re-placement, else those of the least load", () => {
  const active = (stream: string, running: string) => ({
    stream,
    state: "Active" as const,
    candidates: [running],
    running
  })
  const scheduled = (stream: string, candidates: ReadonlyArray<string>) => ({
    stream,
    state: "Scheduled" as const,
    candidates,
    running: candidates[0]
  })
  const one = { stream: "s9", preferredHost: undefined }
  assert.deepEqual(leastLoaded.reschedule(one, [], []), [])
  const five = executors(["1", "2", "3", "4", "5"])
  assert.deepEqual(leastLoaded.reschedule(one, [active("s0", "e0")], five), ["e1", "e2", "e3", "e4"])
  const tracking = [active("s0", "e0"), scheduled("s1", ["e1", "e2"]), active("s2", "e3"), active("s3", "e4")]
  assert.deepEqual(leastLoaded.reschedule(one, tracking, five), ["e1", "e2"])
  const preferring = { stream: "s9", preferredHost: "1" }
  assert.deepEqual(leastLoaded.reschedule(preferring, tracking, five), ["e0", "e1", "e2"])
  // What it was itself is no load.
  assert.deepEqual(leastLoaded.reschedule({ ...one, stream: "s0" }, [active("s0", "e0")], five).length, 5)
})
