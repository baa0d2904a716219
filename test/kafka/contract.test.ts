/**
 * What every making of `KafkaCluster` has to keep: the same cases for the model and for a real broker.
 */
import { Effect } from "effect"
import { it } from "../kit.ts"
import { groups } from "./contract/groups.ts"
import { modelWorld } from "./contract/modelWorld.ts"
import { reading } from "./contract/reading.ts"
import { transactions } from "./contract/transactions.ts"

const cases = { ...reading, ...transactions, ...groups }

const worlds = [modelWorld("the model", 0), modelWorld("the model, whose markers are late", 40)]

for (const made of worlds) {
  const world = Effect.runSync(made)
  for (const [name, run] of Object.entries(cases)) {
    it.live(`${world.name}: ${name}`, () => Effect.flatMap(world.connect, (cluster) => run(world, cluster)))
  }
}
