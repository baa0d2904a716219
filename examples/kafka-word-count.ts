/**
 * Counts the words of the topic "lines" into the topic "counts", each exactly once, whatever dies in between: the record of a word is
 * its count so far.
 *
 * `npm run dstreams -- run examples/kafka-word-count.ts` runs it on a broker in memory, which has some lines. With a real one, that has both
 * topics, and a place to go on from: `npm run dstreams -- run examples/kafka-word-count.ts --bootstrap localhost:9092 --master "local[2]"
 * --config DSTREAMS_CHECKPOINT_DIRECTORY=/tmp/kafka-word-count`. Read "counts" with isolation.level=read_committed. Where there is none:
 *
 *     npm run kafka-broker -- run 9092
 *     npm run kafka-broker -- create lines 2; npm run kafka-broker -- create counts 2
 *     echo "to be or not to be" | npm run kafka-broker -- put lines
 *     npm run kafka-broker -- read counts
 */
import { DStream, type State, StateSpec, StreamingApp } from "dstreams"
import * as Kafka from "dstreams/kafka"
import { Config, Effect, Layer } from "effect"

const total = StateSpec.make((word: string, count: number | undefined, state: State<number>) => {
  const next = (state.getOrUndefined() ?? 0) + (count ?? 0)
  state.update(next)
  return [word, next] as const
})

/** Brokers that live in this process, with some lines. */
const inMemory = Effect.map(Kafka.KafkaModel.make, (kafka) => {
  kafka.createTopic("lines", 2)
  kafka.createTopic("counts", 2)
  for (let i = 0; i < 1000; i++) kafka.append("lines", i % 2, ["to be or not to be", "that is the question"])
  return Layer.succeed(Kafka.ConnectKafka, kafka.connect)
})

export default Effect.gen(function* () {
  const bootstrap = yield* Config.String("BOOTSTRAP").pipe(Config.withDefault(undefined))
  const brokers = bootstrap ?? "in memory"

  const counts = Kafka.directStream({
    brokers,
    topics: "lines",
    start: "earliest",
    value: Kafka.text,
    ...bootstrap === undefined ? { maxRatePerPartition: 5 } : {}
  }).pipe(
    DStream.flatMap(({ value }) => value?.split(" ") ?? []),
    DStream.countByValue(),
    DStream.mapWithState(total),
    DStream.named("totals")
  )

  const sink = Kafka.sink({
    brokers,
    topic: "counts",
    key: ([word]: readonly [string, number]) => word,
    value: ([, count]) => String(count)
  })

  return StreamingApp.make({
    name: "KafkaWordCount",
    batchDuration: "1 second",
    layer: bootstrap === undefined ? yield* inMemory : Layer.empty,
    outputs: [counts.pipe(DStream.toSink(sink, { name: "counts" })), counts.pipe(DStream.print())]
  })
})
