/**
 * Random graphs whose data is lost, and whose batches come late or not at all: what is computed again is the same, and what there is
 * is what the model has.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { type Graph, graphs, lookingBackGraphs } from "./Graph.ts"
import { deliver, done, runsOf, same, sameAsModel, secondsOf, timeIn, wanted } from "./run.ts"

const runs = runsOf(40)
const { numRuns } = runs

/** Batches start at whole seconds; a mapEffect sleeps for 0 to 2 ms. */
const time = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat(4)).map(([second, millis]) => second * 1000 + millis)
const kills = fc.array(fc.tuple(time, fc.nat(3)), { minLength: 1, maxLength: 6 })
  .map((kills) => kills.toSorted(([a], [b]) => a - b))

test("what executors held and lost is made again, record by record in its place", { timeout: 120_000 }, async () => {
  let lost = 0
  await fc.assert(
    fc.asyncProperty(graphs, kills, fc.integer({ min: 1, max: 3 }), async (graph: Graph, kills, executors) => {
      const seconds = secondsOf(graph)
      const undisturbed = await deliver(graph, { executors: 2, coded: true, seconds })
      const disturbed = await deliver(graph, { executors, coded: true, seconds, kills })
      same(disturbed.delivered, undisturbed.delivered)
      lost += disturbed.events.filter(({ kind }) => kind === "ExecutorRemoved").length
    }),
    runs
  )
  assert.ok(lost > numRuns, `only ${lost} executors were lost`)
})

const policies = ["replay", "coalesce", "skip"] as const

for (const missedTicks of policies) {
  test(`where batches come late under ${missedTicks}, those that there are are the model's`, {
    timeout: 120_000
  }, async () => {
    let late = 0
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(graphs, lookingBackGraphs),
        fc.array(fc.nat(3400), { minLength: 1, maxLength: 5 }),
        kills,
        fc.boolean(),
        async (graph: Graph, holds, kills, isKilled) => {
          const seconds = secondsOf(graph) + 4
          const hold = (time: number) => holds[(time / 1000) % holds.length]!
          const run = await deliver(graph, {
            executors: 2,
            coded: true,
            seconds,
            hold,
            settings: { missedTicks },
            kills: isKilled ? kills : []
          })
          const delivered = done(run)
          const model = wanted(graph, run.times)
          sameAsModel(graph, delivered, new Map([...model].filter(([name]) => delivered.has(name))))
          const last = Math.max(...[...delivered.keys()].map(timeIn))
          assert.ok([...model.keys()].every((name) => delivered.has(name) || timeIn(name) > last))
          late += missedTicks === "replay" ? delivered.size < model.size ? 1 : 0 : seconds - run.times.length
        }
      ),
      runs
    )
    assert.ok(late > numRuns / 2, `only ${late} batches did not come, or not in time`)
  })
}
