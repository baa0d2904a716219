/**
 * trends: a window with an inverse over words, and beside it what was ever counted of each.
 */
import { Effect } from "effect"
import * as DStream from "../../../../core/operators/mod.ts"
import type { ReferenceProgram } from "../ReferenceProgram.ts"

export const trends: ReferenceProgram = {
  name: "trends",
  sourcesMax: 2,
  keepsState: true,
  recovers: true,
  commits: true,
  outputs: ({ streams, dice, stumble, trip, collect, commit }) => {
    const { batchMillis, checkpointBatches, partitions, slideBatches, windowBatches } = dice
    const [window, slide] = [windowBatches * batchMillis, slideBatches * batchMillis]
    const ones = DStream.unionAll(streams).pipe(
      DStream.mapEffect((line) => Effect.as(stumble, line)),
      DStream.flatMap((line) => line.split(" ").slice(1)),
      DStream.mapToPair((word): [string, number] => [word, 1])
    )
    const lately = ones.pipe(
      DStream.reduceByKeyAndWindow((a: number, b: number) => (trip(), a + b), window, slide, {
        inverse: (a, b) => a - b,
        filter: ([, count]) => count > 0,
        numPartitions: partitions
      }),
      DStream.checkpoint(checkpointBatches * slide)
    )
    const ever = ones.pipe(
      DStream.updateStateByKey((counts: ReadonlyArray<number>, state: number | undefined) => {
        trip()
        return (state ?? 0) + counts.length
      }, { numPartitions: partitions }),
      DStream.checkpoint(checkpointBatches * batchMillis)
    )
    return [
      ever.pipe(commit("ever")),
      lately.pipe(commit("lately")),
      ever.pipe(DStream.filter(([, count]) => count % 2 === 1), collect("odd")),
      lately.pipe(
        DStream.join(ever.pipe(DStream.window(slide, slide)), { numPartitions: partitions }),
        collect("both")
      )
    ]
  }
}
