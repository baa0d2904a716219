/**
 * relay: what keeps nothing from batch to batch, into sinks that have each batch exactly once, with side values and effects.
 */
import { Clock, Effect, Schema } from "effect"
import * as DStream from "../../../../core/operators/mod.ts"
import * as RDD from "../../../../core/rdd/RDD.ts"
import type { ReferenceProgram } from "../ReferenceProgram.ts"
import { replayedPairs } from "../replayed.ts"

export const relay: ReferenceProgram = {
  name: "relay",
  sourcesMax: 2,
  recovers: true,
  commits: true,
  outputs: ({ streams, dice, stumble, collect, commit, deliver }) => {
    const lines = DStream.unionAll(streams)
    const words = lines.pipe(DStream.flatMap((line) => line.split(" ").slice(1)))
    const minute = DStream.sideValue(
      Effect.map(Clock.currentTimeMillis, (now) => Math.floor(now / 7000)),
      Schema.Number
    )
    return [
      words.pipe(
        DStream.mapToPair((word): [string, number] => [word, 1]),
        DStream.reduceByKey((a, b) => a + b, { numPartitions: dice.partitions }),
        commit("counts")
      ),
      lines.pipe(
        DStream.transform((rdd, { sideValues }) => rdd.pipe(RDD.map((line) => `${line} ${sideValues.minute}`)), {
          sideValues: { minute }
        }),
        commit("stamped")
      ),
      lines.pipe(DStream.filter((line) => line.length % 2 === 0), collect("even")),
      replayedPairs().pipe(
        DStream.mapEffect((pair) => Effect.as(stumble, pair)),
        DStream.groupByKey({ numPartitions: dice.partitions }),
        deliver("grouped")
      )
    ]
  }
}
