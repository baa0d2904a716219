/**
 * simulatedApp: a reference program as a process that runs on a node loads it: with the receivers of that node, outputs that note
 * what they are given, and on executors with faults in its functions.
 */
import { Effect, Layer } from "effect"
import * as File from "../../../adapters/file/mod.ts"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import * as DStream from "../../../core/dstream/DStream.ts"
import * as StreamingApp from "../../../core/dstream/StreamingApp.ts"
import type { Faults } from "../../../adapters/simulation/faults/Faults.ts"
import type { Chance } from "../../../adapters/simulation/kernel/Chance.ts"
import type { Node } from "../../../adapters/simulation/kernel/Node.ts"
import type { ReferenceProgram, Site } from "../programs/ReferenceProgram.ts"
import { batchMillis, type Draw } from "./Draw.ts"
import type { SimulatedApp } from "../../../adapters/simulation/run/Subject.ts"
import type { Delivery } from "./Delivery.ts"
import { decodeLines, receiverOf } from "../outside/SimulatedReceiver.ts"
import { filesDirectory, type FileServer } from "../outside/FileServer.ts"
import { inputTopic, type KafkaServer } from "../outside/KafkaServer.ts"
import type { Source } from "../outside/Source.ts"
import type { Target } from "../outside/Target.ts"

export interface SimulatedAppOptions {
  readonly program: ReferenceProgram
  readonly drawn: Draw
  readonly sources: ReadonlyArray<Source>
  readonly files: FileServer
  readonly kafka: KafkaServer | undefined
  readonly target: Target
  /** Of functions on the executors; the driver and the model have none. */
  readonly faults: Faults | undefined
  /** How often the program was changed. */
  readonly version: number
  readonly deliver: (delivery: Omit<Delivery, "life" | "replaced">) => void
  /** How long outputs take. */
  readonly outputs: Chance
}

export function simulatedApp(options: SimulatedAppOptions, node: Node): SimulatedApp {
  const { drawn: { dice, settings, sources: forms }, faults, files, kafka, program, sources, version } = options
  const streams = sources.map((source, i) =>
    DStream.named(source.name)(DStream.fromInput<string, unknown, never>("simulated", {
      kind: "receiver",
      receiver: receiverOf(source, node, forms[i]!),
      decode: decodeLines
    }))
  )
  const stumbling = faults === undefined
    ? { stumble: Effect.void, trip: () => {} }
    : { stumble: faults.stumble, trip: faults.trip }
  return StreamingApp.make({
    name: program.name,
    batchDuration: batchMillis,
    outputs: program.outputs({
      streams,
      dice,
      version,
      files: () => DStream.named("files")(File.textStream({ directory: filesDirectory })),
      ...topicsOf(options.drawn),
      ...stumbling,
      ...outputsOf(options, node)
    }),
    layer: kafka === undefined
      ? Layer.succeed(File.FileWorld, files.operations)
      : Layer.succeed(Kafka.ConnectKafka, kafka.connect(node)),
    settings
  }) as SimulatedApp
}

function topicsOf({ topic }: Draw): Pick<Site, "toTopic" | "topic"> {
  const { compression, maxFetchBytes, maxRatePerPartition, minSplitRecords, onLoss } = topic
  const reading = { onLoss, maxRatePerPartition, minSplitRecords, maxFetchBytes }
  return {
    topic: () =>
      DStream.named("topic")(
        Kafka.directStream({
          brokers: "simulated",
          topics: inputTopic,
          start: "earliest",
          value: Kafka.text,
          ...reading
        })
      ).pipe(DStream.map(({ value }) => value!)),
    toTopic: (name) => {
      const sink = Kafka.sink<readonly [string, string]>({
        brokers: "simulated",
        topic: name,
        key: ([key]) => key,
        value: ([, value]) => value,
        compression
      })
      return DStream.toSink(sink, { name })
    }
  }
}

function outputsOf(
  { deliver, drawn, outputs, target }: SimulatedAppOptions,
  node: Node
): Pick<Site, "collect" | "commit" | "deliver"> {
  return {
    collect: (name) =>
      DStream.foreachBatch((batch) =>
        Effect.gen(function* () {
          const partitions = yield* batch.partitions
          deliver({ output: name, time: batch.time, partition: undefined, partitions })
          if (outputs.coin(0.3)) yield* Effect.sleep(outputs.between(0, drawn.outputMillisMax))
        }), { name }),
    commit: (name) => DStream.toSink(target.sink("target", drawn.sink, node), { name }),
    deliver: (name) =>
      DStream.foreachPartition(
        (records, { time, partition }) =>
          Effect.sync(() => deliver({ output: name, time, partition, partitions: [records.slice()] })),
        { name }
      )
  }
}
