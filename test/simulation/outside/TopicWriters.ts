/**
 * TopicWriters: who writes into a topic that the program reads, and what they know of each record: where it is, and what became of it.
 *
 * A record is a word with a number, which counts up for each word; a word is always in the same partition, so that its numbers grow with
 * the offsets. Between them lie fillers, all of the same key: when the topic is compacted they go, and leave gaps. Records come in
 * plain batches and in transactions, of one or two partitions, which end at once or a while later.
 *
 * | a record | has to be read |
 * | --- | --- |
 * | certain | exactly once |
 * | lost: deleted or cut off after it was planned or could have been, perhaps before it was read | at most once; if not, that has been told |
 * | cut off before anybody knew that it was there; or deleted before anybody read there | at most once |
 * | aborted | never |
 */
import type { TopicPartition, TransactionalProducer } from "../../../adapters/kafka/KafkaCluster.ts"
import { KafkaError } from "../../../adapters/kafka/KafkaError.ts"
import type { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import type { PartitionLog } from "../../../adapters/kafka/model/PartitionLog.ts"
import { encode, type NewRecord } from "../../../adapters/kafka/records/encode.ts"
import type { Faults } from "../../../adapters/simulation/faults/Faults.ts"
import type { Chance } from "../../../adapters/simulation/kernel/Chance.ts"
import type { World } from "../../../adapters/simulation/kernel/World.ts"

export interface Written extends TopicPartition {
  readonly word: string
  readonly number: number
  readonly offset: number
  /** Who wrote it, if it is of a transaction. */
  readonly producer: TransactionalProducer | undefined
  state: "open" | "certain" | "lost" | "cut" | "aborted"
}

/** Where a reader of a partition stands, as it is recorded. */
export interface ReaderPosition {
  readonly next: number
  readonly leaderEpoch?: number
}

interface OpenTransaction {
  readonly producer: TransactionalProducer
  readonly outcome: "commit" | "abort"
}

export interface TopicWritersOptions {
  readonly world: World
  readonly faults: Faults
  readonly kafka: KafkaModel
  readonly topic: string
  /** Whether no broker answers. */
  readonly isAway: () => boolean
  /** By partition; of others nothing is recorded. */
  readonly positions: () => ReadonlyMap<number, ReaderPosition>
}

/** The key and the value of what is there to be compacted. */
export const filler = "filler"

const writersMax = 3
const wordsPerPartition = 3
const againMillis = 150

export class TopicWriters {
  readonly written: Array<Written> = []
  /** Offsets were lost, read or not. */
  hasLost = false
  private readonly options: TopicWritersOptions
  private readonly chance: Chance
  private readonly numbers = new Map<string, number>()
  private readonly open = new Map<string, OpenTransaction>()
  private closed = false

  constructor(options: TopicWritersOptions) {
    this.options = options
    this.chance = options.world.chance.split("topic writers")
    options.world.after(1, undefined, () => this.bring())
  }

  /** Nothing more comes, and what is open comes to its end. */
  close(): void {
    this.closed = true
    for (const id of this.open.keys()) this.end(id)
  }

  /** Whether all has been decided, and a reader stands at the end of each partition, as its present leader has it. */
  isReadTo(positions: ReadonlyMap<number, ReaderPosition>): boolean {
    return this.open.size === 0 && this.logs.every(({ end, lastStable, leaderEpoch, where }) => {
      const position = positions.get(where.partition)
      return lastStable === end && position?.next === end && position.leaderEpoch === leaderEpoch
    })
  }

  compact(chance: Chance): boolean {
    return chance.pick(this.logs).compact()
  }

  /** Retention takes the first records of a partition. */
  expire(chance: Chance): boolean {
    const log = chance.pick(this.logs)
    const count = log.lastStable - log.start
    if (count === 0) return false
    log.removeBefore(log.start + 1 + chance.below(count))
    this.lose(log, ({ offset }) => offset < log.start, hasReader)
    return true
  }

  /** A leader that was behind takes over. What it had of transactions that had ended elsewhere, an operator aborts. */
  truncate(chance: Chance): boolean {
    const log = chance.pick(this.logs)
    const { end, open, start } = log
    if (end - start < 2) return false
    log.truncate(end - 1 - chance.below(Math.min(8, end - start - 1)))
    const isThere = offsetsOf(log)
    this.lose(log, ({ offset }) => !isThere.has(offset), wasPlanned)
    for (const { epoch, id } of log.open) {
      if (open.some((other) => other.id === id && other.epoch === epoch)) continue
      log.mark(id, epoch, "abort", this.now)
      this.lose(log, ({ producer }) => producer?.id === id && producer.epoch === epoch, () => false)
    }
    return true
  }

  /** The topic is deleted and created again. */
  replace(): boolean {
    const { kafka, topic } = this.options
    const { length } = this.logs
    for (const log of this.logs) this.lose(log, () => true, hasReader)
    kafka.deleteTopic(topic)
    kafka.createTopic(topic, length)
    return true
  }

  private get now(): number {
    return Math.floor(this.options.world.now)
  }

  private get logs(): ReadonlyArray<PartitionLog> {
    const { kafka, topic } = this.options
    return kafka.broker.topics([topic])[0]!.partitions.map(({ partition }) => kafka.log(topic, partition))
  }

  private lose({ where }: PartitionLog, isLost: (written: Written) => boolean, isToBeTold: IsToBeTold): void {
    this.hasLost = true
    const position = this.options.positions().get(where.partition)
    for (const one of this.written) {
      if (one.partition === where.partition && isLost(one) && (one.state === "certain" || one.state === "open")) {
        one.state = position !== undefined && isToBeTold(position, one) ? "lost" : "cut"
      }
    }
  }

  private bring(): void {
    if (this.closed) return
    this.options.world.after(this.chance.between(1, 400), undefined, () => this.bring())
    const { isAway } = this.options
    attempted(() => {
      if (isAway()) return
      if (this.chance.coin(0.5)) this.append(this.chance.pick(this.logs), undefined, 0)
      else this.transact()
    })
  }

  /** Some records in one batch; answers how many. */
  private append({ where }: PartitionLog, producer: TransactionalProducer | undefined, sequence: number): number {
    const { kafka, topic } = this.options
    const { partition } = where
    const words = Array.from({ length: this.chance.between(1, 5) }, () => this.wordOf(partition))
    const records = words.map((word): NewRecord =>
      word === filler
        ? { timestamp: this.now, key: filler, value: filler }
        : { timestamp: this.now, key: word, value: word }
    )
    const batch = encode(records, {
      compression: this.chance.pick(["none", "gzip", "lz4"]),
      ...(producer === undefined ? {} : { producer: { ...producer, sequence }, isTransactional: true })
    })
    const first = kafka.broker.produce({ topic, partition, batch, transactionalId: producer?.transactionalId })
    words.forEach((text, i) => {
      if (text === filler) return
      const [word, number] = text.split("#") as [string, string]
      const offset = first + i
      const state = producer === undefined ? "certain" : "open"
      this.written.push({ topic, partition, word, number: Number(number), offset, producer, state })
    })
    return records.length
  }

  private wordOf(partition: number): string {
    if (this.chance.coin(0.35)) return filler
    const word = `w${partition}${"abc"[this.chance.below(wordsPerPartition)]}`
    const number = this.numbers.get(word) ?? 0
    this.numbers.set(word, number + 1)
    return `${word}#${number}`
  }

  private transact(): void {
    const { faults, kafka: { broker }, world } = this.options
    const id = `writer ${this.chance.below(writersMax)}`
    if (this.open.has(id)) return
    const producer = { transactionalId: id, ...broker.initProducer(id) }
    const logs = this.chance.some(this.logs, this.chance.between(1, 2))
    broker.addToTransaction(producer, logs.map(({ where }) => where))
    const outcome = faults.strikes("transactionAborted") ? "abort" : "commit"
    this.open.set(id, { producer, outcome })
    const millis = faults.strikes("transactionLong") ? this.chance.between(500, 4000) : this.chance.between(0, 40)
    world.after(millis, undefined, () => this.end(id))
    const sequences = new Map<PartitionLog, number>()
    for (let batches = this.chance.between(1, 3); batches > 0; batches--) {
      const log = this.chance.pick(logs)
      const sequence = sequences.get(log) ?? 0
      sequences.set(log, sequence + this.append(log, producer, sequence))
      if (this.chance.coin(0.3)) this.append(this.chance.pick(logs), undefined, 0)
    }
  }

  private end(id: string): void {
    const { isAway, kafka: { broker }, world } = this.options
    const transaction = this.open.get(id)
    if (transaction === undefined) return
    const { outcome, producer } = transaction
    const done = !isAway() && attempted(() => broker.endTransaction(producer, outcome))
    if (!done) return void world.after(againMillis, undefined, () => this.end(id))
    this.open.delete(id)
    for (const one of this.written) {
      if (one.producer !== producer) continue
      if (outcome === "abort") one.state = "aborted"
      else if (one.state === "open") one.state = "certain"
    }
  }
}

/** Whether it was done; a writer tries again later, or leaves it. */
const attempted = (act: () => void): boolean => {
  try {
    act()
    return true
  } catch (error) {
    if (error instanceof KafkaError) return false
    throw error
  }
}

/** Whether a reader that stands there has to find out that a record is gone. */
type IsToBeTold = (position: ReaderPosition, written: Written) => boolean

const hasReader: IsToBeTold = () => true

const wasPlanned: IsToBeTold = ({ next }, { offset }) => offset < next

const offsetsOf = (log: PartitionLog): ReadonlySet<number> =>
  new Set(log.records("uncommitted").map(({ offset }) => offset))
