/**
 * Transactions: the coordinator of all transactions of a broker's model: who has a transactional id, and how far its transaction is.
 *
 * | state | request | then |
 * | --- | --- | --- |
 * | Empty, Ended | addPartitions, addOffsets | Open |
 * | Open | endTransaction | Decided; its markers are written a while later, then it is Ended |
 * | Open | initProducer, or its time is over | its epoch is raised, so that whoever has it is fenced; Decided: abort |
 * | Decided | anything | Unavailable, until the markers are written, for which each partition needs a leader |
 * | Ended | endTransaction of the same outcome | is a repetition |
 *
 * A request with an older epoch than the present one is fenced, in every state. Nothing waits here: what is due is done by `settle`.
 */
import type { TopicPartition, TransactionalProducer } from "../KafkaCluster.ts"
import type { Millis, Time } from "../../../core/time/Time.ts"
import { fenced, notInTransaction, placeOf, type Request, unavailable, wrongState } from "./refusals.ts"

export type Outcome = "commit" | "abort"

/** A producer's transaction is decided: its markers are to be written, and the offsets in it count or not. */
export interface Decision {
  readonly producerId: bigint
  readonly epoch: number
  readonly outcome: Outcome
  readonly partitions: ReadonlyArray<TopicPartition>
  readonly groups: ReadonlyArray<string>
}

export interface TransactionsOptions {
  readonly nextProducerId: () => bigint
  /** How long markers take to be written. */
  readonly markerMillis: () => Millis
  /** Whether markers can be written to all of these just now. */
  readonly mayComplete: (partitions: ReadonlyArray<TopicPartition>) => boolean
  /** Writes the markers of a transaction, and ends its offsets. */
  readonly complete: (decision: Decision) => void
}

interface Transaction {
  readonly transactionalId: string
  producerId: bigint
  epoch: number
  state: "Empty" | "Open" | "Decided" | "Ended"
  outcome: Outcome
  timeoutMillis: Millis
  begun: Time
  /** When the markers of what is decided are written. */
  due: Time
  readonly partitions: Map<string, TopicPartition>
  readonly groups: Set<string>
}

/** What a broker allows. */
const timeoutMillisDefault = 60_000

/** Epochs are 16 bits. */
const epochMax = 32_766

export class Transactions {
  private readonly options: TransactionsOptions
  private readonly known = new Map<string, Transaction>()

  constructor(options: TransactionsOptions) {
    this.options = options
  }

  /** Does what is due: markers of what is decided, and the end of transactions that were open for too long. */
  settle(now: Time): void {
    for (const transaction of this.known.values()) {
      const { begun, state, timeoutMillis } = transaction
      if (state === "Open" && now >= begun + timeoutMillis) this.fence(transaction, now)
      if (transaction.state === "Decided" && now >= transaction.due) this.tryToEnd(transaction)
    }
  }

  initProducer(transactionalId: string, timeoutMillis: Millis | undefined, now: Time): { id: bigint; epoch: number } {
    const known = this.known.get(transactionalId)
    if (known === undefined) {
      const transaction: Transaction = {
        transactionalId,
        producerId: this.options.nextProducerId(),
        epoch: 0,
        state: "Empty",
        outcome: "abort",
        timeoutMillis: timeoutMillis ?? timeoutMillisDefault,
        begun: now,
        due: now,
        partitions: new Map(),
        groups: new Set()
      }
      this.known.set(transactionalId, transaction)
      return { id: transaction.producerId, epoch: 0 }
    }
    if (known.state === "Open") {
      this.fence(known, now)
      this.settle(now)
    }
    if (known.state === "Decided") throw this.undecided(known)
    if (known.epoch >= epochMax) {
      known.producerId = this.options.nextProducerId()
      known.epoch = 0
    } else known.epoch++
    known.state = "Empty"
    known.timeoutMillis = timeoutMillis ?? timeoutMillisDefault
    return { id: known.producerId, epoch: known.epoch }
  }

  addPartitions(producer: TransactionalProducer, partitions: ReadonlyArray<TopicPartition>, now: Time): void {
    const transaction = this.begin(producer, now)
    for (const one of partitions) transaction.partitions.set(placeOf(one), one)
  }

  addGroup(producer: TransactionalProducer, group: string, now: Time): void {
    this.begin(producer, now).groups.add(group)
  }

  endTransaction(producer: TransactionalProducer, outcome: Outcome, now: Time): void {
    const transaction = this.of(producer, "endTransaction")
    const { state } = transaction
    if (state === "Open") this.decide(transaction, outcome, now)
    else if (state === "Empty" || transaction.outcome !== outcome) {
      throw wrongState(producer.transactionalId, described(transaction), "endTransaction")
    } else if (state === "Decided") throw this.undecided(transaction)
    this.settle(now)
  }

  /** Whether a producer may write here; otherwise throws. */
  verify(transactionalId: string, id: bigint, epoch: number, where: TopicPartition): void {
    const transaction = this.of({ transactionalId, id, epoch }, "produce")
    if (transaction.state === "Decided") throw this.undecided(transaction)
    if (transaction.state !== "Open" || !transaction.partitions.has(placeOf(where))) {
      throw notInTransaction(where, transactionalId)
    }
  }

  /** Ids that have an open transaction, for people. */
  get open(): ReadonlyArray<string> {
    return [...this.known.values()].flatMap(({ state, transactionalId }) => state === "Open" ? [transactionalId] : [])
  }

  private begin(producer: TransactionalProducer, now: Time): Transaction {
    const transaction = this.of(producer, "addPartitions")
    if (transaction.state === "Decided") throw this.undecided(transaction)
    if (transaction.state !== "Open") {
      transaction.state = "Open"
      transaction.begun = now
    }
    return transaction
  }

  private of({ epoch, id, transactionalId }: TransactionalProducer, request: Request): Transaction {
    const transaction = this.known.get(transactionalId)
    if (transaction === undefined) throw wrongState(transactionalId, "not known", request)
    if (transaction.producerId !== id || epoch < transaction.epoch) {
      throw fenced(`${request} of ${transactionalId} with epoch ${epoch}, and the present one is ${transaction.epoch}`)
    }
    if (epoch > transaction.epoch) throw wrongState(transactionalId, `of epoch ${transaction.epoch}`, request)
    return transaction
  }

  private fence(transaction: Transaction, now: Time): void {
    transaction.epoch++
    this.decide(transaction, "abort", now)
  }

  private decide(transaction: Transaction, outcome: Outcome, now: Time): void {
    transaction.state = "Decided"
    transaction.outcome = outcome
    transaction.due = now + this.options.markerMillis()
  }

  private tryToEnd(transaction: Transaction): void {
    const { epoch, groups, outcome, producerId } = transaction
    const partitions = [...transaction.partitions.values()]
    if (!this.options.mayComplete(partitions)) return
    transaction.state = "Ended"
    this.options.complete({ producerId, epoch, outcome, partitions, groups: [...groups] })
    transaction.partitions.clear()
    groups.clear()
  }

  private undecided({ outcome, transactionalId }: Transaction) {
    return unavailable(`the ${outcome} of the transaction of ${transactionalId} is not complete yet: try again`)
  }
}

const described = ({ outcome, state }: Transaction): string =>
  state === "Ended" || state === "Decided" ? `ended by ${outcome}` : state.toLowerCase()
