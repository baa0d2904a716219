/**
 * connect: the real making of the port, over `@platformatic/kafka`. Nothing is opened before the first request; all is closed with the scope.
 */
import { Effect } from "effect"
import type { ConnectKafka, KafkaCluster } from "../KafkaCluster.ts"
import { Brokers } from "./Brokers.ts"
import { Coordinators } from "./Coordinators.ts"
import { makeGroups } from "./groups.ts"
import { join } from "./membership.ts"
import { epochEnds, listOffsets } from "./offsets.ts"
import { fetch, produce } from "./records.ts"
import { loadClient } from "./network/platformatic.ts"
import { settingsOf } from "./network/settings.ts"
import { makeTransactions } from "./transactions.ts"

export const connect: ConnectKafka = Effect.fnUntraced(function* (connection) {
  const settings = yield* settingsOf(connection)
  // Here already: it takes a while.
  yield* loadClient
  const brokers = yield* Effect.acquireRelease(
    Effect.sync(() => new Brokers(settings)),
    (brokers) => Effect.sync(() => brokers.close())
  )
  const coordinators = new Coordinators(brokers)
  const cluster: KafkaCluster = {
    name: settings.name,
    topics: (names) => brokers.describe(names),
    offsets: listOffsets(brokers),
    epochEnds: epochEnds(brokers),
    fetch: fetch(brokers),
    produce: produce(brokers),
    ...makeTransactions(brokers, coordinators),
    ...makeGroups(coordinators),
    join: join(brokers, coordinators)
  }
  return cluster
})
