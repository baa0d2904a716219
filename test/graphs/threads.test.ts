/**
 * Random graphs on worker threads deliver what the model says.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import * as fc from "fast-check"
import { it } from "../kit.ts"
import type { Partitions } from "../model/Partitions.ts"
import { collected } from "../threads/programs/collected.ts"
import * as Run from "../threads/run.ts"
import { batchesMax, build, type Graph, graphs, textOf } from "./Graph.ts"
import { batchMillis, outputName } from "./program.ts"
import { nameOf, sameAsModel, wanted } from "./run.ts"

const batches = batchesMax + 1
const graphsOfARun = 12

for (const seed of [1, Math.floor(Math.random() * 1e6)]) {
  it.live(`two threads deliver the batches of the model, seed ${seed}`, () =>
    Effect.gen(function* () {
      const drawn: ReadonlyArray<Graph> = fc.sample(graphs, { seed, numRuns: graphsOfARun })
      const run = `graphs ${seed}`
      const url = new URL("./program.ts", import.meta.url).href
      yield* Run.run(url, { batches, config: { RUN: run, GRAPHS: JSON.stringify(drawn) } })
      const times = collected(run, "clock").map(({ time }) => time)
      assert.equal(times.length, batches)
      const zeroTime = times[0]! - batchMillis
      drawn.forEach((graph, index) => {
        const delivered = new Map<string, Partitions>()
        build(graph, batchMillis).outputs.forEach((_, output) => {
          for (const { partitions, time } of collected(run, outputName(index, output))) {
            delivered.set(nameOf(output, time), partitions)
          }
        })
        try {
          sameAsModel(graph, delivered, wanted(graph, times, { batchMillis, zeroTime }))
        } catch (cause) {
          throw new Error(`graph ${index}:\n${textOf(graph)}`, { cause })
        }
      })
    }))
}
