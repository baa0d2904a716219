/**
 * Random graphs of operators deliver what the model says, batch by batch.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { DStream } from "../../core/mod.ts"
import { type Graph, graphs, operators } from "./Graph.ts"
import { deliver, runsOf, sameAsModel, secondsOf, wanted } from "./run.ts"

/** What of the namespace makes no stream of streams, or is told to others: `checkpoint` is given to the states of the graphs. */
const noOperators = [
  ...["checkpoint", "named", "collectTo", "foreachBatch", "foreachPartition", "print", "toSink"],
  ...["fromInput", "receiverStream", "sideValue", "isDStream", "lift", "make", "needed", "spread"]
]

test("random graphs have every operator of the DStream namespace", () => {
  const exported = Object.entries(DStream).flatMap(([name, value]) => typeof value === "function" ? [name] : [])
  const drawn = operators.map(({ name }) => name)
  assert.deepEqual([...drawn, ...noOperators].sort(), exported.sort())
})

const places = [
  { executors: 1 },
  { executors: 3, coded: true },
  { executors: 2, coded: true, settings: { codeGeneration: false, concurrentJobs: 2, taskSlots: 2 } }
]

test("random graphs deliver the batches of the model: by reference, coded, on one, two and three executors", {
  timeout: 120_000
}, async () => {
  const runs = runsOf(100)
  const drawn = new Map(operators.map(({ name }) => [name, 0]))
  let records = 0
  await fc.assert(
    fc.asyncProperty(graphs, fc.constantFrom(...places), async (graph: Graph, options) => {
      const seconds = secondsOf(graph)
      const { delivered, times } = await deliver(graph, { ...options, seconds })
      sameAsModel(graph, delivered, wanted(graph, times))
      for (const { operator } of graph.steps) drawn.set(operator, drawn.get(operator)! + 1)
      records += [...delivered.values()].flat(2).length
    }),
    runs
  )
  const { numRuns } = runs
  assert.ok(records > 20 * numRuns, `${records} records in ${numRuns} runs`)
  assert.deepEqual([...drawn].filter(([, times]) => times < 2), [])
})
