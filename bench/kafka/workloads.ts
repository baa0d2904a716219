/**
 * W11 on a real broker, which is started for it: 2,000,000 lines of 100 bytes wait in four partitions; and the sink, which writes as many as it
 * can. Each beside the same by hand over a plain consumer or producers of the client that the engine uses, on one thread, in turns.
 */
import { Effect } from "effect"
import { encode } from "../../adapters/kafka/records/encode.ts"
import type { Broker } from "../../test/kafka/broker/Broker.ts"
import { createTopic, deleteTopic } from "../../test/kafka/broker.ts"
import { engine, type EngineResult, machine, result, start } from "../children.ts"
import { lines } from "../data.ts"
import type { Options, Workload } from "../live.ts"
import { withPlace } from "../place.ts"
import { median, type Round, type Row, summary } from "../report.ts"
import type { ByHand } from "./hand.ts"
import { idle } from "./idle.ts"
import { committedEnd, onCluster, withBroker } from "./onBroker.ts"

const partitions = 4
const perPartition = 500_000
const waiting = partitions * perPartition
/** Of a batch of records: 900 kB. */
const perBatch = 8000

const fill = (broker: Broker, topic: string): Promise<void> =>
  onCluster(broker, (cluster) =>
    Effect.gen(function* () {
      for (let partition = 0; partition < partitions; partition++) {
        const all = lines(42, partition, perPartition)
        for (let at = 0; at < all.length; at += perBatch) {
          const batch = encode(all.slice(at, at + perBatch).map((value) => ({ value, timestamp: 0 })))
          yield* cluster.produce({ topic, partition, batch })
        }
      }
    }))

/** One batch takes all that waits. */
const reading = (workload: string, program: string, hand: string): Workload => (options) =>
  withBroker(async (broker) => {
    await createTopic(broker, "lines", partitions)
    await fill(broker, "lines")
    const runs = await inTurns(
      options,
      () => engine(program, options.master, { warmup: 0, measured: 1 }, { BROKERS: broker.bootstrap, TOPIC: "lines" }),
      () => byHand(hand, broker, "lines")
    )
    for (const { hand, run } of runs) {
      if (run.records[0] !== waiting) {
        throw new Error(`${workload}: the batch had ${run.records[0]} of ${waiting} records`)
      }
      if (hand.records !== waiting) throw new Error(`${workload}: the loop had ${hand.records} of ${waiting} records`)
      if (run.check !== hand.check) {
        throw new Error(`${workload}: the engine came to ${run.check}, the loop to ${hand.check}`)
      }
    }
    const fromTick = Math.round(median(runs.flatMap(({ run }) => run.totalMillis)))
    const note =
      `started cold: from the batch's tick to its end ${fromTick} ms; the loop's clock runs from its first request to its last line`
    return [row(workload, options, waiting, runs, note)]
  })

const byHand = (name: string, broker: Broker, topic: string, numbers: ReadonlyArray<number> = []): Promise<ByHand> =>
  result(start("kafka/hand.ts", [name, broker.bootstrap, topic, ...numbers.map(String)]))

interface Turn {
  readonly run: EngineResult
  readonly hand: ByHand
  readonly machine: number
}

const inTurns = async (
  { rounds }: Options,
  runEngine: () => Promise<EngineResult>,
  runHand: () => Promise<ByHand>
): Promise<ReadonlyArray<Turn>> => {
  const turns: Array<Turn> = []
  for (let round = 0; round < rounds; round++) {
    const first = round % 2 === 0 ? await runHand() : undefined
    const run = await runEngine()
    const hand = first ?? await runHand()
    turns.push({ run, hand, machine: await machine() })
  }
  return turns
}

const row = (workload: string, { master }: Options, records: number, turns: ReadonlyArray<Turn>, note: string): Row => {
  const rounds = turns.map(({ hand, machine, run }): Round => ({
    engine: run.millis,
    hand: hand.millis,
    peakRssMiB: run.peakRssMiB,
    machine
  }))
  return {
    ...summary({ workload, master, records, rounds }),
    note: `${note}; the worst round ${worst(records, turns)}`
  }
}

const worst = (records: number, turns: ReadonlyArray<Turn>): string => {
  const slowest = Math.max(...turns.map(({ run }) => median(run.millis)))
  return `${(records / slowest / 1000).toFixed(2)} M records/s`
}

const recordsPerBatch = 200_000
const batches = { warmup: 5, measured: 20 }
const sent = (batches.warmup + batches.measured) * recordsPerBatch
const sinkNote =
  "exactly once, with a checkpoint place; by hand: two plain idempotent producers without transactions; " +
  `the committed ends of each topic came to at least the ${sent} records that were sent (markers of transactions count too)`

/** Each turn has a topic of its own, so that the disk does not fill. */
const sink: Workload = (options) =>
  withBroker(async (broker) => {
    let topics = 0
    const onTopic = async <A>(work: (topic: string) => Promise<A>): Promise<A> => {
      const topic = `written-${++topics}`
      await createTopic(broker, topic, partitions)
      const done = await work(topic)
      const end = await committedEnd(broker, topic, partitions)
      if (end < sent) throw new Error(`kafka-sink: ${end} records are committed in ${topic} of ${sent} that were sent`)
      await deleteTopic(broker, topic)
      return done
    }
    const write = (config: Record<string, string>) =>
      withPlace((CHECKPOINT_DIRECTORY) =>
        engine("../kafka/sink.ts", options.master, batches, {
          BROKERS: broker.bootstrap,
          CHECKPOINT_DIRECTORY,
          ...config
        })
      )
    const turns = await inTurns(
      options,
      () => onTopic((TOPIC) => write({ TOPIC })),
      () => onTopic((topic) => byHand("sink", broker, topic, [recordsPerBatch, batches.warmup, batches.measured]))
    )
    return [row("kafka-sink", options, recordsPerBatch, turns, sinkNote)]
  })

export const workloads: Readonly<Record<string, Workload>> = {
  "kafka-grep": reading("kafka-grep", "../kafka/grep.ts", "grep"),
  "kafka-wordcount": reading("kafka-wordcount", "../kafka/wordCount.ts", "wordcount"),
  "kafka-sink": sink,
  "kafka-idle": idle
}
