/**
 * WindowState: one partition of a reduction over a window whose function has no inverse, only is associative. Each key has a queue
 * of what the batches brought (see `TwoStacks`), so that a step costs what comes and what leaves, not the window.
 *
 * The value of a key is combined again only where one of its entries came or left; a key whose last entry left is gone.
 *
 * Calls of the user's function per pair that a batch brings, amortised, whatever the length of the window: one when it comes, one
 * when its queue flips, one for each step in which its key changed. So at most 3 where keys come in every batch (one pair comes
 * as one leaves), and below 4 where they come rarely, for then coming and leaving are different steps; each record that a batch
 * combines beforehand costs one. No batch pays the flips of many keys. Of one single key that gets one record per batch,
 * one batch per window makes as many calls as the window is long.
 */
import type { Millis, Time } from "../time/Time.ts"
import { sliceSlots } from "./KeyedState.ts"
import { ascending } from "./slotColumns.ts"
import type { StateDefinition, StatePartition, StepInput } from "./StateStore.ts"
import { type QueuePiece, type Reduce, TwoStacks } from "./TwoStacks.ts"
import { type Column, WindowStore } from "./WindowStore.ts"

const kind = "window"

/** `f` is associative and changes neither of its arguments. */
export const definition = (f: Reduce, windowMillis: Millis): StateDefinition => ({
  kind,
  make: (partition) => new WindowState(partition, f, windowMillis)
})

const noValues: ReadonlyArray<unknown> = []

class WindowState extends WindowStore {
  private readonly queues: TwoStacks

  constructor(partition: StatePartition, f: Reduce, windowMillis: Millis) {
    super(kind, partition, windowMillis)
    this.queues = new TwoStacks(f, windowMillis)
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
        this.add(records, time, slots, from, Math.min(from + sliceSlots, records.length))
      }
      added.push({ time, slots: ascending(slots, this.state.slots), values: noValues })
    }
    this.index = undefined
    const touched = this.queues.touched()
    for (let from = 0; from < touched.length; from += sliceSlots) {
      yield
      this.combine(touched, time, from, Math.min(from + sliceSlots, touched.length))
    }
    return added
  }

  private shift(slots: Int32Array, from: number, to: number): void {
    for (let i = from; i < to; i++) this.queues.shift(slots[i]!)
  }

  private add(records: StepInput["records"], time: Time, slots: Int32Array, from: number, to: number): void {
    const { queues, state } = this
    for (let i = from; i < to; i++) {
      this.index = i
      const record = records[i]!
      const slot = state.slotOf(record[0])
      queues.push(slot, record[1], time)
      slots[i] = slot
    }
  }

  private combine(slots: Int32Array, time: Time, from: number, to: number): void {
    const { queues, state } = this
    for (let i = from; i < to; i++) {
      const slot = slots[i]!
      if (queues.isEmpty(slot)) state.remove(slot)
      else state.set(slot, queues.aggregate(slot), time)
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

  protected capture(): Iterable<QueuePiece> {
    return this.queues.capture(queuesPerPiece)
  }

  protected gather(pieces: ReadonlyArray<unknown>): void {
    for (const piece of pieces) this.queues.restore(piece as QueuePiece)
  }
}

/** A queue may have as many entries as the window has batches. */
const queuesPerPiece = 1024
