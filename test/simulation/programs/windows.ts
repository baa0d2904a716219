/**
 * windows: reductions over windows with and without an inverse, windows of records and of groups, streams joined with each other and
 * with a window, and a persisted stream that is read more than once.
 */
import { Effect } from "effect"
import * as DStream from "../../../core/operators/mod.ts"
import type { ReferenceProgram } from "./ReferenceProgram.ts"
import { replayedPairs } from "./replayed.ts"

export const windows: ReferenceProgram = {
  name: "windows",
  sourcesMax: 2,
  keepsState: true,
  outputs: ({ streams, dice, stumble, trip, collect, deliver }) => {
    const { batchMillis, checkpointBatches, partitions, slideBatches, windowBatches } = dice
    const [window, slide] = [windowBatches * batchMillis, slideBatches * batchMillis]
    const every = DStream.checkpoint(checkpointBatches * slide)
    const words = DStream.unionAll(streams).pipe(
      DStream.flatMap((line) => line.split(" ").slice(1)),
      DStream.mapToPair((word): [string, string] => [word[0]!, word])
    )
    const pairs = replayedPairs().pipe(
      DStream.mapEffect((pair) => Effect.as(stumble, pair)),
      DStream.persist(dice.effectMillis % 2 === 0 ? "MEMORY_ONLY" : "MEMORY_AND_DISK")
    )
    const add = (a: number, b: number) => (trip(), a + b)
    const sums = pairs.pipe(
      DStream.reduceByKeyAndWindow(add, window, slide, {
        inverse: (a, b) => a - b,
        filter: ([, sum]) => sum !== 0,
        numPartitions: partitions
      }),
      every
    )
    // The order of batches shows.
    const texts = pairs.pipe(
      DStream.mapValues(String),
      DStream.groupByKey(),
      DStream.mapValues((texts) => texts.join()),
      DStream.reduceByKeyAndWindow((a: string, b: string) => `${a} ${b}`, window, slide),
      every
    )
    const letters = words.pipe(
      DStream.mapValues(() => 1),
      DStream.reduceByKeyAndWindow(add, window, slide, { numPartitions: partitions }),
      every
    )
    return [
      sums.pipe(collect("sums")),
      texts.pipe(deliver("texts")),
      letters.pipe(collect("letters")),
      sums.pipe(DStream.leftOuterJoin(texts, { numPartitions: partitions }), collect("joined")),
      pairs.pipe(DStream.window(window, slide), DStream.groupByKey(), collect("window")),
      pairs.pipe(DStream.groupByKeyAndWindow(window, slide), collect("groups")),
      pairs.pipe(
        DStream.mapToPair(([key, n]): [string, number] => [key[1]! === "0" ? "a" : "b", n]),
        DStream.join(words, { numPartitions: partitions }),
        collect("pairs and words")
      ),
      pairs.pipe(DStream.count, collect("many"))
    ]
  }
}
