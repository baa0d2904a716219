/**
 * consumerCache: what executors keep to read with. Ours is one connection per stream and executor, whichever partition is read and however
 * often: the block reader's.
 */
import { Context, Effect } from "effect"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import { Border } from "../../../core/protocol/RecordCodec.ts"
import * as BlockReader from "../../../runtime/executor/BlockReader.ts"
import { known } from "../Vector.ts"
import type { Apply, Machine } from "./machine.ts"

export const consumerCache: Machine = {
  takes: ["do", "as", "consumer", "attempt", "useCache"],
  open: Effect.fnUntraced(function* () {
    const kafka = yield* KafkaModel.make
    kafka.createTopic("t", 1)
    kafka.append("t", 0, ["a"])
    let made = 0
    let reads: number | undefined
    const connect: Kafka.ConnectKafka = (connection) =>
      Effect.map(kafka.connect(connection), (cluster) => {
        const consumer = made++
        return {
          ...cluster,
          fetch: (request) => {
            reads = consumer
            return cluster.fetch(request)
          }
        }
      })
    const input = Kafka.directStream({ brokers: "model", topics: "t", start: "earliest" }).input!
    const reader = yield* BlockReader.make({
      executor: "executor-1",
      peers: { fetch: () => Effect.die("there is no other executor") },
      blocks: { get: () => Effect.undefined },
      inputs: () => input,
      context: Context.make(Kafka.ConnectKafka, connect) as Context.Context<any>
    }).pipe(Effect.provideService(Border, Border.local))
    const value = { topic: "t", partition: 0, from: 0, until: 1 }
    const spec = { kind: "source", value, records: 1 } as const
    const consumers = new Map<string, number>()
    const steps: Readonly<Record<string, Apply>> = {
      acquire: Effect.fnUntraced(function* ({ as, expectSameAs }) {
        const chunks = yield* reader.read({ kind: "input", stream: "in", time: 1000, partition: 0, spec }, {
          blocks: [],
          ignored: []
        })
        yield* chunks.next
        consumers.set(as, reads!)
        const same = [...consumers].find(([name, consumer]) => name === expectSameAs && consumer === reads)?.[0]
        return { expectSameAs: same }
      }),
      release: () => Effect.void,
      size: () => Effect.sync(() => ({ expect: made }))
    }
    return (step) => known("step", steps, step.do)(step)
  })
}
