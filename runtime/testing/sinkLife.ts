/**
 * sinkLife: what a driver and its executors do with a sink from their start on: fence, and for each batch that is not known to be done
 * prepare its partitions, commit, and note that it is done. The steps are those of the engine, one after the other.
 */
import { Effect } from "effect"
import * as Sink from "../../core/output/Sink.ts"
import { plainCopy } from "./plainCopy.ts"
import type { ReferenceBatch } from "./sinkExpectation.ts"

/** What drivers know of each other, by their log, and what the kit knows besides. */
export interface SinkLog {
  readonly reference: ReadonlyArray<ReferenceBatch>
  readonly known: Set<number>
  readonly begun: Map<number, number>
}

export interface LifeOptions {
  readonly epoch: number
  /** The sink as the driver and as an executor have it: they share nothing. */
  readonly driver: Sink.AnySink
  readonly executor: Sink.AnySink
  readonly record: (id: number) => unknown
  readonly log: SinkLog
  /** In how many partitions batches come. */
  readonly partitionsOf: (batch: number) => number
  /** Batches in this order, whether they are known to be done or not; else those that are not, in order. */
  readonly again?: ReadonlyArray<number> | undefined
  /** Each batch is committed twice. */
  readonly twice?: boolean | undefined
}

export class SinkLife {
  /** For messages: what it was about. */
  where = "before it did anything"
  /** No driver before it can commit any more, as far as the sink promises that. */
  fenced = false
  /** The driver that comes after this one, while this one does not know it. */
  successor: SinkLife | undefined
  private readonly options: LifeOptions

  constructor(options: LifeOptions) {
    this.options = options
  }

  /** What it does now is in no log that is read. */
  private get replaced(): boolean {
    return this.successor?.fenced === true
  }

  readonly run: Effect.Effect<void, unknown, any> = Effect.gen({ self: this }, function* () {
    const { again, driver, epoch, log } = this.options
    if (driver.fence !== undefined) {
      this.where = "while it fenced the output"
      yield* driver.fence({ app: "conformance", output: "out", epoch })
    }
    this.fenced = true
    const batches = again ?? log.reference.map(({ batch }) => batch).filter((batch) => !log.known.has(batch))
    for (const batch of batches) {
      // Of its later batches the new driver knows nothing: they hold other records. Without a fence none can be kept out.
      if (this.replaced && driver.fence === undefined) return
      const { ids } = log.reference.find((one) => one.batch === batch)!
      yield* this.runBatch(batch, this.replaced ? ids.map((id) => id + strangersFrom) : ids)
      this.where = `after it had committed batch ${batch} and before it noted that`
      yield* Effect.sync(() => void (this.replaced || log.known.add(batch)))
      this.where = `after batch ${batch}`
    }
  })

  private *runBatch(batch: number, ids: ReadonlyArray<number>) {
    const { driver, epoch, executor, log, partitionsOf, record, twice = false } = this.options
    const numPartitions = partitionsOf(batch)
    const place = { app: "conformance", output: "out", time: batch * 1000 }
    const context: Sink.CommitContext = { ...place, epoch, commitId: Sink.commitIdOf(place), numPartitions }
    const begins = () => void log.begun.set(batch, (log.begun.get(batch) ?? 0) + 1)
    const prepared: Array<unknown> = []
    if (executor[Sink.TypeId] === "partition") {
      begins()
      if (twice) begins()
    }
    for (let partition = 0; partition < numPartitions; partition++) {
      const records = partOf(ids, partition, numPartitions).map(record)
      const of = { ...context, partition, attempt: 0 }
      if (executor[Sink.TypeId] === "partition") {
        this.where = `while it wrote partition ${partition} of batch ${batch}`
        const write = executor.write(records, { ...of, commitId: Sink.commitIdOf(place, partition) })
        yield* (twice ? Effect.andThen(write, write) : write)
      } else {
        this.where = `while it prepared partition ${partition} of batch ${batch}`
        prepared.push(plainCopy(yield* executor.prepare(records, of)))
      }
    }
    if (driver[Sink.TypeId] === "partition") return
    begins()
    this.where = `while it committed batch ${batch}`
    yield* driver.commit(context, prepared)
    if (!twice) return
    begins()
    this.where = `while it committed batch ${batch} again`
    yield* driver.commit(context, prepared.map((value) => plainCopy(value)))
  }
}

/** Records that only a driver has that was replaced begin here. */
const strangersFrom = 1_000_000

const partOf = (ids: ReadonlyArray<number>, partition: number, numPartitions: number): ReadonlyArray<number> => {
  const at = (index: number) => Math.floor((ids.length * index) / numPartitions)
  return ids.slice(at(partition), at(partition + 1))
}
