/**
 * A real broker for the tests of a file. Where it cannot be started, for Java or Maven is missing, its tests are skipped and say why.
 */
import { after, test } from "node:test"
import { Broker, type BrokerOptions } from "./broker/Broker.ts"
import { NoKafka } from "./broker/jars.ts"

export type { Broker }
export { createTopic, deleteTopic } from "./broker/topics.ts"

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
