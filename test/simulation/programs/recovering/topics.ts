/**
 * topics: from a topic of Kafka to others: each word as it came, in order, and how often each came in a batch.
 */
import { Effect } from "effect"
import * as DStream from "../../../../core/operators/mod.ts"
import { filler } from "../../outside/TopicWriters.ts"
import type { ReferenceProgram } from "../ReferenceProgram.ts"

export const topics: ReferenceProgram = {
  name: "topics",
  sourcesMax: 0,
  recovers: true,
  writesTopics: ["words", "counts"],
  outputs: ({ topic, dice, stumble, toTopic }) => {
    const words = topic().pipe(
      DStream.filter((value) => value !== filler),
      DStream.mapEffect((value) => Effect.as(stumble, value)),
      DStream.mapToPair((value): [string, string] => [value.split("#", 1)[0]!, value])
    )
    return [
      words.pipe(toTopic("words")),
      words.pipe(
        DStream.mapValues(() => 1),
        DStream.reduceByKey((a, b) => a + b, { numPartitions: dice.partitions }),
        DStream.mapValues(String),
        toTopic("counts")
      )
    ]
  }
}
