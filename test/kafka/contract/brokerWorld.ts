/**
 * brokerWorld: a real broker, as a world of the contract.
 */
import { Admin } from "@platformatic/kafka"
import { Effect } from "effect"
import { connect } from "../../../adapters/kafka/client/connect.ts"
import { type Broker, createTopic, deleteTopic } from "../broker.ts"
import type { World } from "./World.ts"

export const brokerWorld = (broker: Broker): World => {
  const asAdmin = (work: (admin: Admin) => Promise<unknown>): Effect.Effect<void> =>
    Effect.promise(async () => {
      const admin = new Admin({ clientId: "contract", bootstrapBrokers: [broker.bootstrap] })
      try {
        await work(admin)
      } finally {
        await admin.close()
      }
    })
  return {
    name: "a real broker",
    connect: connect({ brokers: broker.bootstrap }),
    createTopic: (topic, partitions) => Effect.promise(() => createTopic(broker, topic, partitions)),
    deleteTopic: (topic) => Effect.promise(() => deleteTopic(broker, topic)),
    addPartitions: (name, count) =>
      asAdmin((admin) => admin.createPartitions({ topics: [{ name, count, assignments: null }] })),
    removeBefore: (name, partition, offset) =>
      asAdmin((admin) =>
        admin.deleteRecords({ topics: [{ name, partitions: [{ partition, offset: BigInt(offset) }] }] })
      ),
    // A broker that comes back leads in another epoch.
    changeLeaders: () => Effect.promise(() => broker.stop().then(() => broker.start()))
  }
}
