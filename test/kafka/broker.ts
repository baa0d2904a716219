/**
 * A real broker for the tests of a file, and what the port does not do: topics are created and deleted with it. Where it cannot be
 * started, for Java or Maven is missing, its tests are skipped and say why.
 */
import { after, test } from "node:test"
import { setTimeout as delay } from "node:timers/promises"
import { Admin } from "@platformatic/kafka"
import { Broker, type BrokerOptions } from "./broker/Broker.ts"
import { NoKafka } from "./broker/jars.ts"

export type { Broker }

/** Starts it at once; `undefined`, after a word, where there is none to be had. To be awaited at the top of a test file. */
export const startBroker = async (options: BrokerOptions = {}): Promise<Broker | undefined> => {
  try {
    const broker = await Broker.start(options)
    after(() => broker.remove())
    return broker
  } catch (error) {
    // A broker that is there and does not start is a failure.
    if (!(error instanceof NoKafka)) throw error
    const why = `skipped, for no Apache Kafka could be started here: ${String(error)}`
    console.log(why)
    test(why, { skip: true }, () => {})
    return undefined
  }
}

const asAdmin = async <A>(broker: Broker, work: (admin: Admin) => Promise<A>): Promise<A> => {
  const admin = new Admin({ clientId: "tests", bootstrapBrokers: [broker.bootstrap] })
  try {
    return await work(admin)
  } finally {
    await admin.close()
  }
}

/** Returns when each partition has a leader. */
export const createTopic = (
  broker: Broker,
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

export const deleteTopic = (broker: Broker, name: string): Promise<void> =>
  asAdmin(broker, (admin) => admin.deleteTopics({ topics: [name] }))
