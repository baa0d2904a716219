/**
 * A program whose outputs are those of random graphs, for executors that load it by themselves: GRAPHS in Config holds the graphs as
 * JSON, by which every thread builds the same.
 */
import { Config, Effect } from "effect"
import * as Memory from "../../adapters/memory/mod.ts"
import { StreamingApp } from "../../core/mod.ts"
import { collect, RUN } from "../threads/programs/collected.ts"
import { build, type Graph } from "./Graph.ts"

export const batchMillis = 100

export const outputName = (graph: number, output: number): string => `graph ${graph} output ${output}`

export default Effect.gen(function* () {
  const run = yield* RUN
  const graphs: ReadonlyArray<Graph> = JSON.parse(yield* Config.String("GRAPHS"))
  return StreamingApp.make({
    name: "graphs",
    batchDuration: batchMillis,
    outputs: [
      // It has something in every batch, so that there is none without jobs.
      Memory.batches<never>([]).pipe(collect(run, "clock")),
      ...graphs.flatMap((graph, index) =>
        build(graph, batchMillis).outputs.map(({ stream }, output) =>
          stream.pipe(collect(run, outputName(index, output)))
        )
      )
    ],
    settings: { defaultParallelism: 3 }
  })
})
