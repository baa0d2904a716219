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
    const { queues } = this
    for (const { slots } of leaving) {
      for (let i = 0; i < slots.length; i++) {
        if (i % sliceSlots === sliceSlots - 1) yield
        queues.shift(slots[i]!)
      }
    }
    const added: Array<Column> = []
    for (const input of inputs) added.push(yield* this.add(input))
    yield* this.combine(time)
    return added
  }

  private *add({ records, time }: StepInput): Generator<void, Column> {
    const { queues, state } = this
    const slots = new Int32Array(records.length)
    for (let i = 0; i < records.length; i++) {
      if (i % sliceSlots === sliceSlots - 1) yield
      this.index = i
      const record = records[i]!
      const slot = state.slotOf(record[0])
      queues.push(slot, record[1], time)
      slots[i] = slot
    }
    this.index = undefined
    return { time, slots, values: noValues }
  }

  private *combine(time: Time): Generator<void, void> {
    const { queues, state } = this
    for (let i = 0; i < queues.touched; i++) {
      if (i % sliceSlots === sliceSlots - 1) yield
      const slot = queues.touchedSlot(i)
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
