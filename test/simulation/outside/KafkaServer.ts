/**
 * KafkaServer: brokers of Kafka outside of the system (the model of adapters/kafka), as nodes see them, and what befalls them.
 *
 * A request takes time, and whoever makes it may die of it, as with any call of a sink (`SinkCalls`). Faults besides: brokers that are away,
 * answer late or never, partitions without a leader, markers that are late; and logs that are compacted, cut off at either end, or whose
 * topic is another one all at once. Who writes into the input topic is told of these (`TopicWriters`).
 */
import { Effect } from "effect"
import type { ConnectKafka } from "../../../adapters/kafka/KafkaCluster.ts"
import { KafkaError } from "../../../adapters/kafka/KafkaError.ts"
import { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import { type Interpose, modelCluster } from "../../../adapters/kafka/model/modelCluster.ts"
import type { BrokerFault } from "../../../adapters/simulation/faults/Faults.ts"
import type { Chance } from "../../../adapters/simulation/kernel/Chance.ts"
import type { Node } from "../../../adapters/simulation/kernel/Node.ts"
import type { Stage } from "../../../adapters/simulation/run/Subject.ts"
import { type ReaderPosition, TopicWriters } from "./TopicWriters.ts"

/** The input, and where outputs go: by output. */
export const inputTopic = "input"
const outputPartitionsMax = 3

/** A client waits so long for an answer. */
const clientTimeoutMillis = 3000
const slowMillisMax = 800
const lateMarkerMillisMax = 600

export interface KafkaServerOptions extends Pick<Stage, "world" | "faults" | "ledger" | "sinkCalls"> {
  readonly inputPartitions: number
  /** Names of the topics that the program writes. */
  readonly outputs: ReadonlyArray<string>
}

export class KafkaServer {
  readonly kafka: KafkaModel
  readonly writers: TopicWriters
  /** Of all nodes. */
  readonly warnings: Array<string> = []
  private readonly options: KafkaServerOptions
  private awayUntil = -Infinity

  constructor(options: KafkaServerOptions) {
    const { faults, inputPartitions, outputs, world } = options
    this.options = options
    this.kafka = new KafkaModel({
      now: () => Math.floor(world.now),
      markerMillis: () =>
        faults.strikes("markersLate") ? faults.chanceOf("markersLate").between(1, lateMarkerMillisMax) : 0
    })
    this.kafka.createTopic(inputTopic, inputPartitions)
    const chance = world.chance.split("kafka")
    for (const topic of outputs) this.kafka.createTopic(topic, chance.between(1, outputPartitionsMax))
    world.log.observe(({ data, kind }) => {
      if (kind === "Log" && data["level"] === "Warn") this.warnings.push(String(data["message"]))
    })
    this.writers = new TopicWriters({
      world,
      faults,
      kafka: this.kafka,
      topic: inputTopic,
      isAway: () => this.isAway,
      positions: () => this.positions()
    })
  }

  /** How a node's program connects. */
  connect(node: Node): ConnectKafka {
    return () => Effect.succeed(modelCluster(this.kafka.broker, { interpose: this.interposed(node) }))
  }

  /** All that came has been planned. */
  get isRead(): boolean {
    return this.writers.isReadTo(this.positions())
  }

  /** Of the input, by partition: where the stream stands. */
  private positions(): ReadonlyMap<number, ReaderPosition> {
    const positions = new Map<number, ReaderPosition>()
    for (const { inputs } of [...this.options.ledger.firmPlans].sort((a, b) => a.time - b.time)) {
      for (const { positions: moved = [] } of inputs) {
        for (const [, position] of moved as ReadonlyArray<[string, ReaderPosition & { partition: number } | null]>) {
          if (position !== null) positions.set(position.partition, position)
        }
      }
    }
    return positions
  }

  /** Whether a driver that ended so says that records were lost, and they were. */
  tellsLoss(cause: string): boolean {
    return this.writers.hasLost &&
      /deleted and created again|was asked for|deleted by retention|lost at the brokers/i.test(cause)
  }

  /** Nothing strikes any more, and nothing more comes. */
  calm(): void {
    this.awayUntil = -Infinity
    for (const log of this.logs()) log.leader ??= 0
    this.writers.close()
  }

  private get isAway(): boolean {
    return this.options.world.now < this.awayUntil
  }

  private interposed(node: Node): Interpose {
    const { faults, sinkCalls } = this.options
    return (request, step) => {
      const there = Effect.suspend(() => this.isAway ? Effect.fail(failed(`no broker answers to ${request}`)) : step)
      const failing = (kind: "answerLost" | "requestFails", millis: number) =>
        Effect.gen(function* () {
          if (faults.chanceOf(kind).coin(0.5)) yield* Effect.exit(there)
          yield* Effect.sleep(millis)
          return yield* failed(`no answer came to ${request}`)
        })
      const called = Effect.gen(function* () {
        if (faults.strikes("answerLost")) return yield* failing("answerLost", clientTimeoutMillis)
        if (faults.strikes("requestFails")) return yield* failing("requestFails", 1)
        if (faults.strikes("brokerSlow")) yield* Effect.sleep(faults.chanceOf("brokerSlow").between(1, slowMillisMax))
        return yield* there
      })
      // The program has no faults of sinks: only a death at a call is left of what befalls it there.
      return Effect.catch(
        sinkCalls.call(node, called),
        (error) => Effect.fail(error instanceof KafkaError ? error : failed(error.message))
      )
    }
  }

  /** What befalls the brokers; whether there was something to strike. */
  readonly strike = (how: BrokerFault, chance: Chance, millis: number): boolean => {
    const { world } = this.options
    switch (how) {
      case "brokersAway":
        this.awayUntil = Math.max(this.awayUntil, world.now + millis)
        return true
      case "leaderChange": {
        const log = chance.pick(this.logs())
        log.elect()
        log.leader = null
        world.after(millis, undefined, () => log.leader ??= 0)
        return true
      }
      case "compaction":
        return this.writers.compact(chance)
      case "retention":
        return this.writers.expire(chance)
      case "truncation":
        return this.writers.truncate(chance)
      case "topicReplaced":
        return this.writers.replace()
    }
  }

  private logs() {
    return this.kafka.broker.topics(undefined).flatMap(({ partitions, topic }) =>
      partitions.map(({ partition }) => this.kafka.log(topic, partition))
    )
  }
}

const failed = (what: string): KafkaError =>
  new KafkaError({ reason: "Unavailable", message: `${what}: try again (a simulated fault)` })
