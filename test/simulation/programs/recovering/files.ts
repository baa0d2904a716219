/**
 * files: lines of the files that come into a directory, counted in a window and for ever.
 */
import { Effect } from "effect"
import * as DStream from "../../../../core/operators/mod.ts"
import type { ReferenceProgram } from "../ReferenceProgram.ts"

export const files: ReferenceProgram = {
  name: "files",
  sourcesMax: 0,
  keepsState: true,
  recovers: true,
  commits: true,
  readsFiles: true,
  outputs: ({ files, dice, stumble, trip, collect, commit }) => {
    const { batchMillis, checkpointBatches, partitions, slideBatches, windowBatches } = dice
    const lines = files()
    const ones = lines.pipe(
      DStream.flatMap((line) => line.split(" ")),
      DStream.mapEffect((word) => Effect.as(stumble, word)),
      DStream.mapToPair((word): [string, number] => [word.split("#", 1)[0]!, 1])
    )
    return [
      lines.pipe(commit("lines")),
      ones.pipe(
        DStream.updateStateByKey((counts: ReadonlyArray<number>, state: number | undefined) => {
          trip()
          return (state ?? 0) + counts.length
        }, { numPartitions: partitions }),
        DStream.checkpoint(checkpointBatches * batchMillis),
        commit("ever")
      ),
      ones.pipe(
        DStream.window(windowBatches * batchMillis, slideBatches * batchMillis),
        DStream.reduceByKey((a: number, b: number) => a + b, { numPartitions: partitions }),
        collect("lately")
      )
    ]
  }
}
