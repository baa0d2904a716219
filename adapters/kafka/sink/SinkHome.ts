/**
 * SinkHome: what a sink keeps in a driver or an executor from batch to batch: the connection, how many partitions the topic has, and the
 * producers. Each driver and executor has its own (`Lifetime`); it is let go when that ends.
 */
import { Context, Effect, Scope, Semaphore } from "effect"
import { uptime } from "../../../core/time/Uptime.ts"
import { Lifetime } from "../../../core/output/Lifetime.ts"
import type { Millis } from "../../../core/time/Time.ts"
import { ConnectKafka, type KafkaCluster } from "../KafkaCluster.ts"
import type { KafkaConnection } from "../KafkaConnection.ts"
import { KafkaError } from "../KafkaError.ts"
import type { Patience } from "./Patience.ts"

/** A topic may get more partitions meanwhile; so long until a sink sees it. */
const topicMillisMax = 60_000

export class SinkHome<P> {
  readonly cluster: KafkaCluster
  readonly producers: P
  private readonly topic: string
  private known: { readonly numPartitions: number; readonly at: Millis } | undefined

  constructor(cluster: KafkaCluster, topic: string, producers: P) {
    this.cluster = cluster
    this.topic = topic
    this.producers = producers
  }

  numPartitions(patience: Patience): Effect.Effect<number, KafkaError> {
    return Effect.gen({ self: this }, function* () {
      const now = yield* uptime
      if (this.known !== undefined && now - this.known.at < topicMillisMax) return this.known.numPartitions
      const { cluster, topic } = this
      const [info] = yield* patience.retry(cluster.topics([topic]))
      if (info === undefined || info.partitions.length === 0) return yield* unknownTopic(topic, cluster.name)
      this.known = { numPartitions: info.partitions.length, at: now }
      return info.partitions.length
    })
  }
}

const unknownTopic = (topic: string, cluster: string): KafkaError =>
  new KafkaError({
    reason: "UnknownTopic",
    topic,
    message:
      `there is no topic "${topic}" at ${cluster}, or this user may not see it: create it, with as many partitions as it shall ` +
      "have, before the app starts, or correct its name"
  })

/** The home of whoever asks: made at the first question, and kept for its lifetime. */
export const homes = <P>(
  connection: KafkaConnection,
  topic: string,
  producers: () => P
): Effect.Effect<SinkHome<P>, KafkaError> => {
  const known = new Map<Scope.Scope | undefined, SinkHome<P>>()
  const one = Semaphore.makeUnsafe(1)
  const open = (lifetime: Scope.Scope | undefined) =>
    Effect.gen(function* () {
      const connect = yield* ConnectKafka
      const scope = lifetime ?? (yield* Scope.make())
      // It outlives the fiber that asked first.
      const cluster = yield* Effect.updateContext(
        connect(connection),
        (_: Context.Context<never>) => Context.make(Scope.Scope, scope)
      )
      const home = new SinkHome(cluster, topic, producers())
      known.set(lifetime, home)
      if (lifetime !== undefined) yield* Scope.addFinalizer(lifetime, Effect.sync(() => void known.delete(lifetime)))
      return home
    })
  return Effect.flatMap(Lifetime, (lifetime) => {
    const home = known.get(lifetime)
    if (home !== undefined) return Effect.succeed(home)
    return one.withPermit(Effect.suspend(() => {
      const made = known.get(lifetime)
      return made === undefined ? open(lifetime) : Effect.succeed(made)
    }))
  })
}
