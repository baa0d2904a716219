/**
 * What a thousand partitions cost: with nothing in them, and with one that a few records a second come into. Share of one core over 20 batches
 * of a second.
 */
import { Effect, Schedule } from "effect"
import { encode } from "../../adapters/kafka/records/encode.ts"
import type { Broker } from "../../test/kafka/broker/Broker.ts"
import { createTopic } from "../../test/kafka/broker.ts"
import { engine } from "../children.ts"
import { row, type Workload } from "../live.ts"
import type { Row } from "../report.ts"
import { onCluster, untilThere, withBroker } from "./onBroker.ts"

const partitions = 1000
const batches = { warmup: 5, measured: 20 }

interface Input {
  readonly what: string
  /** When records come into the one partition, since the start of the engine's process. */
  readonly fromSeconds: number
  readonly everyMillis: number
  readonly records: number
  /** Of which so many must be in the measured batches: with fewer, the stream was not idle but not there. */
  readonly atLeast: number
}

const inputs: ReadonlyArray<Input> = [
  { what: "one record near the end", fromSeconds: 20, everyMillis: 0, records: 1, atLeast: 1 },
  { what: "four records a second in one partition", fromSeconds: 0, everyMillis: 250, records: 100, atLeast: 40 }
]

export const idle: Workload = ({ master }) =>
  withBroker(async (broker) => {
    const rows: Array<Row> = []
    for (const [n, input] of inputs.entries()) rows.push(await idleWith(broker, master, `idle-${n}`, input))
    return rows
  })

const idleWith = async (broker: Broker, master: string, topic: string, input: Input): Promise<Row> => {
  await createTopic(broker, topic, partitions)
  await untilThere(broker, topic, partitions)
  const config = { BROKERS: broker.bootstrap, TOPIC: topic }
  const [run] = await Promise.all([
    engine("../kafka/wordCount.ts", master, batches, config),
    feed(broker, topic, input)
  ])
  const came = run.records.reduce((sum, records) => sum + records, 0)
  if (came < input.atLeast) {
    throw new Error(
      `kafka-idle: the batches had ${came} records, with ${input.what}: at least ${input.atLeast} came in`
    )
  }
  const note = `${(100 * run.cpu).toFixed(2)} % of a core; ${input.what}: ${came} came`
  return row("kafka-idle", master, run, run.totalMillis, { note })
}

const feed = (broker: Broker, topic: string, { everyMillis, fromSeconds, records }: Input): Promise<unknown> =>
  onCluster(broker, (cluster) => {
    const one = Effect.suspend(() => {
      const batch = encode([{ value: "one two three", timestamp: Date.now() }])
      return Effect.retry(cluster.produce({ topic, partition: 0, batch }), {
        schedule: Schedule.spaced("250 millis"),
        times: 20
      })
    })
    const many = Effect.repeat(one, { schedule: Schedule.spaced(everyMillis), times: records - 1 })
    return Effect.delay(many, fromSeconds * 1000)
  })
