/**
 * Topics of a real broker, by hand: what tests need and the port does not do, and what people want who look around (`main.ts`).
 */
import { createInterface } from "node:readline"
import { setTimeout as delay } from "node:timers/promises"
import {
  Admin,
  Consumer,
  FetchIsolationLevels,
  MessagesStreamModes,
  Producer,
  stringDeserializers,
  stringSerializers
} from "@platformatic/kafka"

/** A broker that runs. */
export interface Served {
  readonly bootstrap: string
}

const asAdmin = async <A>(broker: Served, work: (admin: Admin) => Promise<A>): Promise<A> => {
  const admin = new Admin({ clientId: "tests", bootstrapBrokers: [broker.bootstrap] })
  try {
    return await work(admin)
  } finally {
    await admin.close()
  }
}

/** Returns when each partition has a leader. */
export const createTopic = (
  broker: Served,
  name: string,
  partitions = 1,
  configs: Readonly<Record<string, string>> = {}
): Promise<void> =>
  asAdmin(broker, async (admin) => {
    const settings = Object.entries(configs).map(([key, value]) => ({ name: key, value }))
    await admin.createTopics({ topics: [name], partitions, replicas: 1, configs: settings })
    const isLed = async (): Promise<boolean> => {
      const { topics } = await admin.metadata({ topics: [name], forceUpdate: true })
      const found = topics.get(name)?.partitions
      return found?.length === partitions && found.every(({ leader }) => leader >= 0)
    }
    // A broker with much to do may not know the topic yet.
    while (!(await isLed().catch(() => false))) await delay(20)
  })

export const deleteTopic = (broker: Served, name: string): Promise<void> =>
  asAdmin(broker, (admin) => admin.deleteTopics({ topics: [name] }))

/** Each line of the standard input becomes a record; returns at its end. */
export const putLines = async ({ bootstrap }: Served, topic: string): Promise<void> => {
  const producer = new Producer({ clientId: "by-hand", bootstrapBrokers: [bootstrap], serializers: stringSerializers })
  try {
    for await (const value of createInterface({ input: process.stdin })) {
      await producer.send({ messages: [{ topic, value }] })
    }
  } finally {
    await producer.close()
  }
}

/** Prints what is committed, from the first record on, until the process ends. */
export const printRecords = async ({ bootstrap }: Served, topic: string): Promise<void> => {
  const consumer = new Consumer({
    clientId: "by-hand",
    groupId: `by-hand-${process.pid}`,
    bootstrapBrokers: [bootstrap],
    deserializers: stringDeserializers,
    isolationLevel: FetchIsolationLevels.READ_COMMITTED,
    autocommit: false
  })
  const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST })
  for await (const { key, offset, partition, value } of stream) console.log(`${partition}/${offset} ${key} ${value}`)
}
