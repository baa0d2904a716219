/**
 * The program of the kill test: copies the topic "in" to the topic "out", by key, exactly once, at a rate at which it takes a while.
 */
import { DStream, StreamingApp } from "dstreams"
import * as Kafka from "dstreams/kafka"
import { Config, Effect } from "effect"

export default Effect.gen(function* () {
  const brokers = yield* Config.String("BOOTSTRAP")
  const rate = yield* Config.Int("RATE")
  const copied = Kafka.directStream({
    brokers,
    topics: "in",
    start: "earliest",
    key: Kafka.text,
    value: Kafka.text,
    maxRatePerPartition: rate
  }).pipe(
    DStream.map(({ key, value }) => [key!, value!] as const)
  )
  const sink = Kafka.sink({
    brokers,
    topic: "out",
    key: ([key]: readonly [string, string]) => key,
    value: ([, value]) => value,
    transactionTimeout: "20 seconds"
  })
  return StreamingApp.make({
    name: "copying",
    batchDuration: "500 millis",
    outputs: [copied.pipe(DStream.toSink(sink, { name: "out" }))]
  })
})
