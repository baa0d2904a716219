/**
 * InverseWindowState: one partition of a reduction over a window whose function has an inverse. Each key has one value; a step takes
 * out of it what the leaving batches had brought, and adds what the new ones bring:
 *
 * ```
 * value = inverse(value, f(old, ...old))     where batches of the key left
 * value = f(value, f(new, ...new))           where batches brought the key; f(new, ...new) alone where it had no value
 * ```
 * A key stays when all its batches have left, with what the inverse made of it, unless the filter drops it: then it has no value
 * any more. Leaving batches change nothing of a key without a value.
 * Source: Spark Streaming's `ReducedWindowedDStream`. There a slide longer than the window adds batches that lie between two
 * windows, and a key that was dropped while batches of it remain fails the batch in which they leave.
 */
import { refuseDeferred, refuseDeferredReduction } from "../../rdd/fusion/FunctionMistake.ts"
import type { Millis, Time } from "../../time/Time.ts"
import { absent, sliceSlots } from "../KeyedState.ts"
import { grownNumbers } from "./slotColumns.ts"
import type { StateDefinition, StatePartition, StepInput } from "../StateStore.ts"
import type { Reduce } from "./WindowQueues.ts"
import { type Beside, type Column, WindowStore } from "./WindowStore.ts"

const kind = "inverseWindow"

/** Which pairs stay. */
export type Filter = (pair: readonly [key: unknown, value: unknown]) => boolean

export interface InverseWindowOptions {
  readonly f: Reduce
  /** `inverse(f(a, b), a)` is `b`. */
  readonly inverse: Reduce
  readonly filter: Filter | undefined
  readonly windowMillis: Millis
}

export const definition = (options: InverseWindowOptions): StateDefinition => ({
  kind,
  make: (partition) => new InverseWindowState(partition, options)
})

/** The values of some slots, each reduced in the order in which they were added. */
class Reduced {
  readonly slots: Array<number> = []
  readonly values: Array<unknown> = []
  private readonly f: Reduce
  /** Where the value of a slot lies, counted from the first step on. */
  private places: Float64Array = new Float64Array(0)
  private first = 1
  /** What the function returned last. */
  private reduced: unknown

  constructor(f: Reduce) {
    this.f = f
  }

  has(slot: number): boolean {
    return slot < this.places.length && this.places[slot]! >= this.first
  }

  add(slot: number, value: unknown): void {
    if (slot >= this.places.length) this.places = grownNumbers(this.places, slot + 1)
    const place = this.places[slot]! - this.first
    if (place >= 0) {
      this.values[place] = this.reduced = this.f(this.values[place], value)
      return
    }
    this.places[slot] = this.first + this.values.length
    this.slots.push(slot)
    this.values.push(value)
  }

  refuseDeferred(): void {
    refuseDeferredReduction(this.reduced)
  }

  clear(): void {
    this.reduced = undefined
    this.first += this.values.length
    this.slots.length = 0
    this.values.length = 0
  }
}

class InverseWindowState extends WindowStore {
  private readonly options: InverseWindowOptions
  private readonly old: Reduced
  private readonly new: Reduced

  constructor(partition: StatePartition, options: InverseWindowOptions) {
    super(kind, partition, options.windowMillis)
    this.options = options
    this.old = new Reduced(options.f)
    this.new = new Reduced(options.f)
  }

  protected *advance(
    time: Time,
    leaving: ReadonlyArray<Column>,
    inputs: ReadonlyArray<StepInput>
  ): Generator<void, ReadonlyArray<Column>> {
    for (const { slots, values } of leaving) {
      for (let i = 0; i < slots.length; i++) {
        if (i % sliceSlots === sliceSlots - 1) yield
        this.old.add(slots[i]!, values[i])
      }
    }
    const added: Array<Column> = []
    for (const input of inputs) added.push(yield* this.add(input))
    this.old.refuseDeferred()
    this.new.refuseDeferred()
    yield* this.takeOut(time)
    yield* this.putIn(time)
    if (this.options.filter !== undefined) yield* this.drop(this.options.filter)
    return added
  }

  private *add({ records, time }: StepInput): Generator<void, Column> {
    const slots = new Int32Array(records.length)
    const values: Array<unknown> = []
    for (let i = 0; i < records.length; i++) {
      if (i % sliceSlots === sliceSlots - 1) yield
      this.index = i
      const record = records[i]!
      const slot = this.state.slotOf(record[0])
      this.new.add(slot, record[1])
      slots[i] = slot
      values.push(record[1])
    }
    this.index = undefined
    return { time, slots, values }
  }

  private *takeOut(time: Time): Generator<void, void> {
    const { old: { slots, values }, options: { inverse }, state } = this
    let left: unknown
    for (let i = 0; i < slots.length; i++) {
      if (i % sliceSlots === sliceSlots - 1) yield
      const slot = slots[i]!
      const value = state.values[slot]
      if (value !== absent) state.set(slot, left = inverse(value, values[i]), time)
    }
    refuseDeferred("the inverse of reduceByKeyAndWindow", left, " before it")
  }

  private *putIn(time: Time): Generator<void, void> {
    const { new: { slots, values }, options: { f }, state } = this
    let reduced: unknown
    for (let i = 0; i < slots.length; i++) {
      if (i % sliceSlots === sliceSlots - 1) yield
      const slot = slots[i]!
      const value = state.values[slot]
      state.set(slot, value === absent ? values[i] : reduced = f(value, values[i]), time)
    }
    refuseDeferredReduction(reduced)
  }

  private *drop(filter: Filter): Generator<void, void> {
    let stays: unknown
    const drop = (slot: number) => {
      const { keys, values } = this.state
      if (values[slot] !== absent && !(stays = filter([keys[slot], values[slot]]))) this.state.remove(slot)
    }
    for (let i = 0; i < this.old.slots.length; i++) {
      if (i % sliceSlots === sliceSlots - 1) yield
      if (!this.new.has(this.old.slots[i]!)) drop(this.old.slots[i]!)
    }
    for (let i = 0; i < this.new.slots.length; i++) {
      if (i % sliceSlots === sliceSlots - 1) yield
      drop(this.new.slots[i]!)
    }
    refuseDeferred("the filter of reduceByKeyAndWindow", stays, " before it")
  }

  protected commit(): void {
    this.old.clear()
    this.new.clear()
  }

  protected rollback(): void {
    this.commit()
  }

  /** Nothing is kept by slot between steps but the columns. */
  protected move(): void {}

  protected capture(): Beside {
    return { count: 0, pieces: [] }
  }

  protected gather(pieces: ReadonlyArray<unknown>): void {
    if (pieces.length > 0) throw new Error("it has more pieces than it should")
  }
}
