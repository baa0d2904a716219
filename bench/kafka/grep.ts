/**
 * W11 kafka-grep: all lines that wait in a topic, in one batch; those that contain the rarest word are counted.
 */
import { Config, Effect } from "effect"
import * as Kafka from "../../adapters/kafka/mod.ts"
import { needle } from "../data.ts"
import { check, DStream, StreamingApp } from "../programs/kit.ts"

export default Effect.gen(function* () {
  const [brokers, topics] = yield* Effect.all([Config.String("BROKERS"), Config.String("TOPIC")])
  return StreamingApp.make({
    name: "kafka-grep",
    batchDuration: "1 second",
    outputs: [
      Kafka.directStream({ brokers, topics, start: "earliest", value: Kafka.text }).pipe(
        DStream.filter(({ value }) => value!.includes(needle)),
        DStream.foreachBatch((batch) => Effect.map(batch.count, check))
      )
    ]
  })
})
