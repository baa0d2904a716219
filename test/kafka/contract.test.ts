/**
 * What every making of `KafkaCluster` has to keep: the same cases for the model and for a real broker.
 */
import { Effect } from "effect"
import { it } from "../kit.ts"
import { startBroker } from "./broker.ts"
import { brokerWorld } from "./contract/brokerWorld.ts"
import { groups } from "./contract/groups.ts"
import { modelWorld } from "./contract/modelWorld.ts"
import { reading } from "./contract/reading.ts"
import { transactions } from "./contract/transactions.ts"

const cases = { ...reading, ...transactions, ...groups }

const worlds = [modelWorld("the model", 0), modelWorld("the model, whose markers are late", 40)].map((made) =>
  Effect.runSync(made)
)
const broker = await startBroker({
  // Transactions that are open for too long are looked for every 10 seconds otherwise.
  settings: { "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500" }
})
if (broker !== undefined) worlds.push(brokerWorld(broker))

for (const world of worlds) {
  for (const [name, run] of Object.entries(cases)) {
    it.live(`${world.name}: ${name}`, () => Effect.flatMap(world.connect, (cluster) => run(world, cluster)))
  }
}
