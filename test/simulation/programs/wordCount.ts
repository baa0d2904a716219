/**
 * wordCount: the words of one to three receivers, counted batch by batch, and what else needs a shuffle.
 */
import { Effect } from "effect"
import * as DStream from "../../../core/dstream/DStream.ts"
import type { ReferenceProgram } from "./ReferenceProgram.ts"

export const wordCount: ReferenceProgram = {
  name: "wordCount",
  sourcesMax: 3,
  outputs: ({ streams, dice, stumble, collect }) => {
    const lines = DStream.unionAll(streams)
    const words = lines.pipe(DStream.flatMap((line) => line.split(" ").slice(1)))
    const counts = words.pipe(
      DStream.mapToPair((word) => [word, 1]),
      DStream.reduceByKey((a, b) => a + b)
    )
    // Combiners that change their first argument, as they may, and two outputs that read the same shuffle.
    const places = words.pipe(
      DStream.mapToPair((word) => [word[0]!, word]),
      DStream.combineByKey(
        (word: string) => [word],
        (all, word) => (all.push(word), all),
        (all, more) => (all.push(...more), all),
        { numPartitions: dice.partitions }
      )
    )
    return [
      counts.pipe(collect("counts")),
      lines.pipe(collect("lines")),
      lines.pipe(
        DStream.mapToPair((line) => [line.slice(0, line.indexOf("#")), line.length]),
        DStream.groupByKey({ numPartitions: dice.partitions }),
        DStream.flatMapValues((lengths) => [lengths.length, Math.max(...lengths)]),
        collect("lengths")
      ),
      places.pipe(collect("places")),
      places.pipe(DStream.mapValues((all) => all.length), collect("numbers")),
      counts.pipe(
        DStream.filter(([, n]) => n > 1),
        DStream.mapValues((n) => n * 2),
        DStream.count,
        collect("frequent")
      ),
      words.pipe(
        DStream.mapEffect((word) => Effect.as(stumble, word)),
        DStream.countByValue(),
        DStream.map(([, n]) => n),
        DStream.reduce((a, b) => a + b),
        collect("total")
      )
    ]
  }
}
