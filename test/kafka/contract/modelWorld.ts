/**
 * modelWorld: the model of a broker, as a world of the contract.
 */
import { Clock, Effect } from "effect"
import { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import type { World } from "./World.ts"

/** `markerMillis`: how long the markers of transactions take. */
export const modelWorld = (name: string, markerMillis: number): Effect.Effect<World> =>
  Effect.map(Clock.Clock, (clock) => {
    const kafka = new KafkaModel({ now: () => clock.currentTimeMillisUnsafe(), markerMillis: () => markerMillis })
    return {
      name,
      connect: kafka.connect({ brokers: "model" }),
      createTopic: (topic, partitions) => Effect.sync(() => kafka.createTopic(topic, partitions)),
      deleteTopic: (topic) => Effect.sync(() => kafka.deleteTopic(topic)),
      addPartitions: (topic, partitions) =>
        Effect.sync(() => kafka.addPartitions(topic, partitions - kafka.broker.topics([topic])[0]!.partitions.length)),
      removeBefore: (topic, partition, offset) => Effect.sync(() => kafka.log(topic, partition).removeBefore(offset)),
      changeLeaders: (topic) =>
        Effect.sync(() =>
          kafka.broker.topics([topic])[0]!.partitions.forEach(({ partition }) => kafka.log(topic, partition).elect())
        )
    }
  })
