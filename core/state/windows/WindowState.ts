/**
 * WindowState: one partition of a reduction over a window whose function has no inverse, only is associative. Each key has a queue
 * of what the batches brought (see `WindowQueues`), so that a step costs what comes and what leaves, not the window.
 *
 * The value of a key is combined again only where one of its entries came or left; a key whose last entry left is gone.
 *
 * Calls of the user's function per pair of key and batch that comes, amortised, whatever the length of the window:
 *
 * | the key comes | calls per pair |
 * | --- | --- |
 * | in every batch | below 3: into the aggregate behind the front, into the front, and for the value of the window |
 * | in a share p of the batches | below 4 - p: where a pair comes and another leaves in different steps, each changes the value |
 * | at most 5 times per window | below 3: most entries are in no aggregate but the value |
 * | in a store with few keys | 3.3 in every batch, below 4.3 in some: `WindowQueues` spreads its work |
 *
 * For 4 - p: a value that changes costs a call, which is two per pair, and to know what is left when something leaves takes two more, as
 * long as `f` is only associative. No way of putting the products together does with 3: an integer program over all of them, for
 * pairs that come and leave in different batches, finds at least 3.08 where 8 are in the window and 3.16 where 9 are. Each further
 * record of a pair costs one call, made before: so with two records per pair it is below 3 per record in any case. No batch pays for
 * the flips of many keys, nor for the long flip of one.
 */
import { refuseDeferredReduction } from "../../rdd/fusion/FunctionMistake.ts"
import type { Millis, Time } from "../../time/Time.ts"
import { sliceSlots } from "../KeyedState.ts"
import { ascending } from "./slotColumns.ts"
import type { StateDefinition, StatePartition, StepInput } from "../StateStore.ts"
import { type Reduce, WindowQueues } from "./WindowQueues.ts"
import { type Beside, type Column, WindowStore } from "./WindowStore.ts"

const kind = "window"

/** `f` is associative and changes neither of its arguments. */
export const definition = (f: Reduce, windowMillis: Millis): StateDefinition => ({
  kind,
  make: (partition) => new WindowState(partition, f, windowMillis)
})

const noValues: ReadonlyArray<unknown> = []

/** Values of a batch that are looked at. */
const samplesMax = 16

class WindowState extends WindowStore {
  private readonly queues: WindowQueues

  constructor(partition: StatePartition, f: Reduce, windowMillis: Millis) {
    super(kind, partition, windowMillis)
    this.queues = new WindowQueues(f, windowMillis)
  }

  protected *advance(
    time: Time,
    leaving: ReadonlyArray<Column>,
    inputs: ReadonlyArray<StepInput>
  ): Generator<void, ReadonlyArray<Column>> {
    for (const { slots } of leaving) {
      for (let from = 0; from < slots.length; from += sliceSlots) {
        yield
        this.shift(slots, from, Math.min(from + sliceSlots, slots.length))
      }
    }
    const added: Array<Column> = []
    for (const { records, time } of inputs) {
      const slots = new Int32Array(records.length)
      for (let from = 0; from < records.length; from += sliceSlots) {
        yield
        this.add(records, slots, from, Math.min(from + sliceSlots, records.length))
      }
      added.push({ time, slots: ascending(slots, this.state.slots), values: noValues })
    }
    this.index = undefined
    const touched = this.queues.touched()
    const isFew = this.queues.isFew(this.batches(added))
    for (let from = 0; from < touched.length; from += sliceSlots) {
      yield
      this.combine(touched, time, isFew, from, Math.min(from + sliceSlots, touched.length))
    }
    this.refuseDeferred(added)
    return added
  }

  private shift(slots: Int32Array, from: number, to: number): void {
    for (let i = from; i < to; i++) this.queues.shift(slots[i]!)
  }

  private add(records: StepInput["records"], slots: Int32Array, from: number, to: number): void {
    const { queues, state } = this
    for (let i = from; i < to; i++) {
      this.index = i
      const record = records[i]!
      const slot = state.slotOf(record[0])
      queues.push(slot, record[1])
      slots[i] = slot
    }
  }

  private combine(slots: Int32Array, time: Time, isFew: boolean, from: number, to: number): void {
    const { queues, state } = this
    for (let i = from; i < to; i++) {
      const slot = slots[i]!
      const value = queues.aggregate(slot, state.values[slot], time, isFew)
      if (queues.isEmpty(slot)) state.remove(slot)
      else state.set(slot, value, time)
    }
  }

  /** Looks at some of the values that a step has come to. */
  private refuseDeferred(added: ReadonlyArray<Column>): void {
    for (const { slots } of added) {
      for (let i = 0; i < slots.length && i < samplesMax; i++) refuseDeferredReduction(this.state.values[slots[i]!])
    }
  }

  protected commit(): void {
    this.queues.commit()
  }

  protected rollback(): void {
    this.queues.rollback()
  }

  protected move(moved: Int32Array): void {
    this.queues.move(moved)
  }

  protected capture(slots: Int32Array | undefined): Beside {
    return this.queues.capture(queuesPerPiece, slots)
  }

  protected gather(pieces: ReadonlyArray<unknown>, slots: Int32Array): void {
    let from = 0
    for (const piece of pieces) from += this.queues.restore(piece, slots.subarray(from))
    if (from !== slots.length) throw new Error("queues of it are missing")
  }
}

/** A queue may have as many entries as the window has batches. */
const queuesPerPiece = 1024
