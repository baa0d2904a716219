/**
 * kafka-sink: 200,000 lines a batch in two partitions go into a topic, exactly once.
 */
import { Config, Effect } from "effect"
import * as Kafka from "../../adapters/kafka/mod.ts"
import { DStream, fullLoad, lineStream, StreamingApp } from "../programs/kit.ts"

const perPartition = 100_000

export const recordsPerBatch = 2 * perPartition

export default Effect.gen(function* () {
  const [brokers, topic] = yield* Effect.all([Config.String("BROKERS"), Config.String("TOPIC")])
  return StreamingApp.make({
    name: "kafka-sink",
    ...fullLoad,
    outputs: [
      lineStream(perPartition).pipe(
        DStream.toSink(Kafka.sink({ brokers, topic, value: (line: string) => line }), { name: topic })
      )
    ]
  })
})
