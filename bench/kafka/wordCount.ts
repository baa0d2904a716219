/**
 * W11 kafka-wordcount: all lines that wait in a topic, in one batch; their words are counted and the counts collected.
 */
import { Config, Effect } from "effect"
import * as Kafka from "../../adapters/kafka/mod.ts"
import { digestOfCounts } from "../data.ts"
import { add, check, DStream, StreamingApp } from "../programs/kit.ts"

export default Effect.gen(function* () {
  const [brokers, topics] = yield* Effect.all([Config.String("BROKERS"), Config.String("TOPIC")])
  return StreamingApp.make({
    name: "kafka-wordcount",
    batchDuration: "1 second",
    outputs: [
      Kafka.directStream({ brokers, topics, start: "earliest", value: Kafka.text }).pipe(
        DStream.flatMap(({ value }) => value!.split(" ")),
        DStream.mapToPair((word) => [word, 1]),
        DStream.reduceByKey(add),
        DStream.foreachBatch((batch) => Effect.map(batch.collect, (counts) => check(digestOfCounts(counts))))
      )
    ]
  })
})
