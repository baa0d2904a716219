/**
 * A real broker that is started for a workload, and what a workload asks of it.
 */
import * as process from "node:process"
import { Effect, Schedule } from "effect"
import { connect } from "../../adapters/kafka/client/connect.ts"
import type { KafkaCluster } from "../../adapters/kafka/KafkaCluster.ts"
import { Broker } from "../../test/kafka/broker/Broker.ts"
import { NoKafka } from "../../test/kafka/broker/jars.ts"
import type { Row } from "../report.ts"

/** Without Java or Maven there is nothing to show. */
export const withBroker = async (
  work: (broker: Broker) => Promise<ReadonlyArray<Row>>
): Promise<ReadonlyArray<Row>> => {
  let broker: Broker
  try {
    broker = await Broker.start()
  } catch (error) {
    if (!(error instanceof NoKafka)) throw error
    process.stderr.write(`bench: left out, for no Apache Kafka could be started here: ${error.message}\n`)
    return []
  }
  try {
    return await work(broker)
  } finally {
    await broker.remove()
  }
}

/** As the engine's own client does it. */
export const onCluster = <A, E>(broker: Broker, use: (cluster: KafkaCluster) => Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(Effect.scoped(Effect.flatMap(connect({ brokers: broker.bootstrap }), use)))

const committedEnds = (cluster: KafkaCluster, topic: string, partitions: number) =>
  cluster.offsets(Array.from({ length: partitions }, (_, partition) => ({ topic, partition })), "latest", "committed")

/** Records of the topic that readers of what is committed may have, and the markers of transactions among them. */
export const committedEnd = (broker: Broker, topic: string, partitions: number): Promise<number> =>
  onCluster(broker, (cluster) =>
    Effect.map(
      committedEnds(cluster, topic, partitions),
      (ends) => ends.reduce((sum, { offset }) => sum + offset, 0)
    ))

/** A topic of many partitions is there long before all of them have a leader. */
export const untilThere = (broker: Broker, topic: string, partitions: number): Promise<unknown> =>
  onCluster(broker, (cluster) =>
    committedEnds(cluster, topic, partitions).pipe(
      Effect.filterOrFail((ends) => ends.length === partitions, () => new Error(`${topic} is not there in time`)),
      Effect.retry({ schedule: Schedule.spaced("500 millis"), times: 100 })
    ))
