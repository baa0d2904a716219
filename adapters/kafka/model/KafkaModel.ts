/**
 * KafkaModel: Apache Kafka in memory, for tests of programs and for trying things out: it answers what real brokers answer, encoded
 * record batches, transactions, groups and all, on Effect's clock, and in the same way in every run.
 *
 * ```ts
 * const kafka = yield* KafkaModel.make
 * kafka.createTopic("words", 4)
 * kafka.append("words", 0, ["a b", { key: "k", value: "c" }])
 * const app = StreamingApp.make({ ..., layer: Layer.succeed(ConnectKafka, kafka.connect) })
 * kafka.records("counts")
 * ```
 *
 * What goes wrong at real brokers can be had: `isAvailable`, `failNext`, and per partition (`log`) `compact`, `removeBefore`,
 * `truncate`, `elect` and `leader`. It lives in one process: executors of other processes and threads do not see it.
 */
import { Clock, Effect } from "effect"
import type { ConnectKafka, Isolation } from "../KafkaCluster.ts"
import type { KafkaRecord } from "../KafkaRecord.ts"
import { encode, type NewRecord } from "../records/encode.ts"
import type { Compression } from "../records/RecordBatch.ts"
import { Broker, type BrokerOptions } from "./Broker.ts"
import { type Interpose, modelCluster } from "./modelCluster.ts"
import type { PartitionLog } from "./PartitionLog.ts"
import { type Request, unavailable } from "./refusals.ts"
import type { Outcome } from "./Transactions.ts"

/** A value, or a record, whose timestamp is the present if it has none. */
export type ModelRecord = string | Uint8Array | Omit<NewRecord, "timestamp"> & { readonly timestamp?: number }

export interface AppendOptions {
  readonly compression?: Compression | undefined
  /** As a transaction of its own, that ends so. */
  readonly outcome?: Outcome | undefined
}

export class KafkaModel {
  /** Answers requests at once. */
  readonly broker: Broker
  /** false: every request fails as `Unavailable`. */
  isAvailable = true
  private readonly failures: Array<{ readonly request: Request; readonly moment: "before" | "after" }> = []

  constructor(options: BrokerOptions) {
    this.broker = new Broker(options)
  }

  /** On the clock of the program. */
  static readonly make: Effect.Effect<KafkaModel> = Effect.map(
    Clock.Clock,
    (clock) => new KafkaModel({ now: () => clock.currentTimeMillisUnsafe() })
  )

  /** What programs connect by, whatever brokers they name: the value of the reference `ConnectKafka`. */
  readonly connect: ConnectKafka = () => Effect.succeed(modelCluster(this.broker, { interpose: this.interpose }))

  createTopic(topic: string, partitions: number): void {
    this.broker.createTopic(topic, partitions)
  }

  addPartitions(topic: string, count: number): void {
    this.broker.addPartitions(topic, count)
  }

  deleteTopic(topic: string): void {
    this.broker.deleteTopic(topic)
  }

  log(topic: string, partition: number): PartitionLog {
    return this.broker.log({ topic, partition })
  }

  /** The next request of this kind fails as `Unavailable`, before it was done, or after: then nobody knows whether it was. */
  failNext(request: Request, moment: "before" | "after"): void {
    this.failures.push({ request, moment })
  }

  /** Appends one batch, from outside of the program; answers the first record's offset. */
  append(topic: string, partition: number, records: ReadonlyArray<ModelRecord>, options: AppendOptions = {}): number {
    const { broker } = this
    const { compression, outcome } = options
    const where = { topic, partition }
    const all = records.map((record): NewRecord =>
      typeof record === "string" || record instanceof Uint8Array
        ? { timestamp: broker.now, value: record }
        : { timestamp: broker.now, ...record }
    )
    if (outcome === undefined) return broker.produce({ ...where, batch: encode(all, { compression }) })
    const transactionalId = `append-${topic}-${partition}`
    const producer = { transactionalId, ...broker.initProducer(transactionalId) }
    broker.addToTransaction(producer, [where])
    const batch = encode(all, { compression, producer: { ...producer, sequence: 0 }, isTransactional: true })
    const offset = broker.produce({ ...where, batch, transactionalId })
    broker.endTransaction(producer, outcome)
    return offset
  }

  /** All that is in a topic, by partition and offset. */
  records(topic: string, isolation: Isolation = "committed"): ReadonlyArray<KafkaRecord<string, string>> {
    const [info] = this.broker.topics([topic])
    return (info?.partitions ?? []).flatMap(({ partition }) => this.log(topic, partition).records(isolation))
  }

  private readonly interpose: Interpose = (request, step) =>
    Effect.suspend(() => {
      if (!this.isAvailable) return Effect.fail(unavailable("no broker answers: try again"))
      const index = this.failures.findIndex((failure) => failure.request === request)
      if (index < 0) return step
      const [failure] = this.failures.splice(index, 1)
      const fail = Effect.fail(unavailable(`no answer came to ${request}: try again`))
      return failure!.moment === "before" ? fail : Effect.andThen(step, fail)
    })
}
