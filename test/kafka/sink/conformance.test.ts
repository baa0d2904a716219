/**
 * The Kafka sinks under the conformance kit: drivers that die at every step, sleep while another takes over, and repeat their batches.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { ConnectKafka } from "../../../adapters/kafka/KafkaCluster.ts"
import { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import { sink } from "../../../adapters/kafka/sink/sink.ts"
import { sinkConformance } from "../../../adapters/testing/mod.ts"
import { it } from "../../kit.ts"

for (const guarantee of ["transactional", "at-least-once"] as const) {
  it.live(
    `${guarantee}: the sink keeps what it promises, whichever step a driver dies or sleeps at`,
    () =>
      Effect.gen(function* () {
        const kafka = yield* KafkaModel.make
        const targets = new Set<string>()
        const topicOf = (target: string) => {
          if (!targets.has(target)) kafka.createTopic(target, 3)
          targets.add(target)
          return target
        }
        const made = (target: string) =>
          sink<number>({
            brokers: "model",
            topic: topicOf(target),
            key: (id) => String(id),
            value: (id) => String(id),
            guarantee: guarantee as "transactional"
          })
        const report = yield* sinkConformance({
          // Cases have groups and transactions of their own, as another app has.
          make: (target) =>
            Effect.sync(() => {
              const { fence, write, ...rest } = made(target)
              return {
                ...rest,
                write: (records: ReadonlyArray<number>, context) => write(records, { ...context, app: target }),
                fence: fence === undefined ? undefined : (output) => fence({ ...output, app: target })
              }
            }),
          read: (target) => Effect.sync(() => kafka.records(topicOf(target)).map(({ value }) => Number(value))),
          record: (id) => id,
          patienceMillis: 50
        }).pipe(Effect.provideService(ConnectKafka, kafka.connect))
        assert.deepEqual(report.failures, [])
        assert.equal(report.guarantee, guarantee)
        assert.ok(report.deaths > 20, JSON.stringify(report))
      }),
    { timeout: 240_000 }
  )
}
