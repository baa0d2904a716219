/**
 * QueueTable: per slot a queue of entries, as data: what comes and what leaves, taken back where a step fails, moved, captured and
 * restored. What its entries stand for is the matter of `WindowQueues`.
 *
 * A queue has a row of small integers, some times, two aggregates, and a ring for its entries. All of them remember what a step
 * changed (see `LoggedColumns`, `RingPool`). In a snapshot a queue is its counts, times and aggregates, and its entries in order.
 */
import { LoggedNumbers, LoggedRows, LoggedValues } from "./LoggedColumns.ts"
import { bitsFor, type CapturedRings, RingPool } from "./RingPool.ts"
import type { Beside } from "./WindowStore.ts"
import { grownIntegers, grownNumbers } from "./slotColumns.ts"

/** A row has, per slot: the ring, its bits, the place of the oldest entry, the counts, and what belongs to the step alone. */
export const rowLength = 10
export const ringAt = 0
export const ringBits = 1
export const ringStart = 2
export const queueSize = 3
export const frontSize = 4
export const middleSize = 5
export const doneSize = 6
export const pendingSize = 7
/** How many fields are logged, after the slot. */
const loggedFields = 8
/** Which entry of this step's log has the row as it was. */
export const loggedAt = 8
/** How many entries this step added. */
export const addedSize = 9
export const logLength = 1 + loggedFields

/** Times of a slot: of an early flip, or when the flip of the middle began. */
export const phaseAt = 0
/** When the last entry of the front, of the middle and of the queue leaves the window. */
export const frontUntil = 1
export const middleUntil = 2
export const queueUntil = 3
export const timesLength = 4

/** The queues of some slots, in order. `counts` has those of the rows, `values` those of one queue after the other. */
export interface QueuePiece {
  readonly counts: ReadonlyArray<number>
  readonly times: ReadonlyArray<number>
  readonly values: ReadonlyArray<unknown>
  readonly backs: ReadonlyArray<unknown>
  readonly nexts: ReadonlyArray<unknown>
}

/** Counts of a slot in a piece: the fields of its row from here on. */
const firstCount = queueSize
const countsLength = loggedFields - firstCount

export class QueueTable {
  protected readonly pool = new RingPool()
  private slots = 0
  private slotsBefore = 0
  /** How many queues are not empty. */
  protected live = 0
  private liveBefore = 0
  protected readonly table = new LoggedRows(rowLength, loggedFields)
  protected readonly times = new LoggedNumbers()
  protected readonly back = new LoggedValues()
  protected readonly next = new LoggedValues()
  private readonly parts = [this.pool, this.table, this.times, this.back, this.next]
  /** By place in the log of this step, the newest entry that it added: what most often is all that is pending. */
  private readonly added: Array<unknown> = []

  /** The slots that this step touched, ascending. */
  touched(): Int32Array {
    return this.table.touched(this.slots)
  }

  isEmpty(slot: number): boolean {
    return this.table.rows[slot * rowLength + queueSize] === 0
  }

  /** Takes the oldest entry of a queue that is not empty. Calls nothing. */
  shift(slot: number): void {
    this.touch(slot)
    const { rows } = this.table
    const row = slot * rowLength
    const front = rows[row + frontSize]!
    const middle = rows[row + middleSize]!
    rows[row + queueSize]!--
    rows[row + ringStart] = (rows[row + ringStart]! + 1) & ((1 << rows[row + ringBits]!) - 1)
    if (front > 0) rows[row + frontSize] = front - 1
    else if (middle > 0) {
      rows[row + middleSize] = middle - 1
      rows[row + doneSize] = Math.min(rows[row + doneSize]!, middle - 1)
    }
    if (rows[row + queueSize] === 0) this.empty(slot)
  }

  /** Adds the newest entry of a slot's queue. Calls nothing. */
  push(slot: number, value: unknown): void {
    if (slot >= this.slots) this.addSlots(slot + 1)
    this.touch(slot)
    const { rows, rowsBefore } = this.table
    const row = slot * rowLength
    const size = rows[row + queueSize]!
    if (size === 0) {
      this.live++
      rows[row + ringBits] = bitsFor(1)
      rows[row + ringAt] = this.pool.take(bitsFor(1))
      rows[row + ringStart] = 0
    } else if (size === 1 << rows[row + ringBits]!) this.lengthen(slot)
    const mask = (1 << rows[row + ringBits]!) - 1
    const added = rows[row + addedSize]!
    const place = (rows[row + ringStart]! + size) & mask
    // in a ring that has been longer than what it had and got, nothing is overwritten that a rollback needs
    const log = rows[row + loggedAt]!
    if (rowsBefore[log * logLength + 1 + queueSize]! + added <= mask) {
      this.pool.add(rows[row + ringAt]!, place, value)
    } else this.pool.write(rows[row + ringAt]!, place, value)
    rows[row + queueSize] = size + 1
    rows[row + pendingSize]!++
    rows[row + addedSize] = added + 1
    this.added[log] = value
  }

  /** The first of the newest `count` entries. */
  protected first(slot: number, count: number): unknown {
    const { rows } = this.table
    const row = slot * rowLength
    return count === 1 && rows[row + addedSize]! > 0
      ? this.added[rows[row + loggedAt]!]
      : this.entry(slot, rows[row + queueSize]! - count)
  }

  protected entry(slot: number, index: number): unknown {
    const { rows } = this.table
    const row = slot * rowLength
    const place = (rows[row + ringStart]! + index) & ((1 << rows[row + ringBits]!) - 1)
    return this.pool.read(rows[row + ringAt]!, place)
  }

  private empty(slot: number): void {
    const { rows } = this.table
    const row = slot * rowLength
    this.live--
    this.pool.leave(rows[row + ringAt]!, rows[row + ringBits]!)
    rows[row + frontSize] = 0
    rows[row + middleSize] = 0
    rows[row + doneSize] = 0
    rows[row + pendingSize] = 0
  }

  /** Moves a queue to a ring that is twice as long. */
  private lengthen(slot: number): void {
    const { pool, table: { rows } } = this
    const row = slot * rowLength
    const size = rows[row + queueSize]!
    const bits = rows[row + ringBits]!
    const ring = pool.take(bits + 1)
    for (let i = 0; i < size; i++) pool.write(ring, i, this.entry(slot, i))
    pool.leave(rows[row + ringAt]!, bits)
    rows[row + ringAt] = ring
    rows[row + ringBits] = bits + 1
    rows[row + ringStart] = 0
  }

  private touch(slot: number): void {
    if (this.table.touch(slot)) this.table.rows[slot * rowLength + addedSize] = 0
  }

  private addSlots(slots: number): void {
    const { back, next, table, times } = this
    table.rows = grownIntegers(table.rows, slots * rowLength)
    times.numbers = grownNumbers(times.numbers, slots * timesLength)
    table.rows.fill(0, this.slots * rowLength, slots * rowLength)
    times.numbers.fill(0, this.slots * timesLength, slots * timesLength)
    for (let slot = this.slots; slot < slots; slot++) {
      back.values.push(0)
      next.values.push(0)
    }
    this.slots = slots
  }

  commit(): void {
    for (const part of this.parts) part.commit()
    this.endStep()
  }

  rollback(): void {
    for (const part of this.parts) part.rollback()
    this.slots = this.slotsBefore
    this.live = this.liveBefore
    this.endStep()
  }

  private endStep(): void {
    this.slotsBefore = this.slots
    this.liveBefore = this.live
    this.back.values.length = this.slots
    this.next.values.length = this.slots
    this.added.fill(0)
  }

  /** Slots move as `moved` says: never up, in their order. Those that go nowhere are empty. Between steps. */
  move(moved: Int32Array): void {
    const { back, next, table: { rows }, times: { numbers } } = this
    let slots = 0
    for (let slot = 0; slot < this.slots; slot++) {
      const to = moved[slot]!
      if (to < 0) continue
      rows.copyWithin(to * rowLength, slot * rowLength, (slot + 1) * rowLength)
      numbers.copyWithin(to * timesLength, slot * timesLength, (slot + 1) * timesLength)
      back.values[to] = back.values[slot]
      next.values[to] = next.values[slot]
      slots = to + 1
    }
    this.slots = slots
    this.endStep()
  }

  /** The queues of these slots, or of all, those of `slotsPerPiece` slots in a piece; captured at once. Between steps. */
  capture(slotsPerPiece: number, chosen: Int32Array | undefined): Beside {
    const queues = { ...(chosen === undefined ? this.all() : this.some(chosen)), rings: this.pool.capture() }
    return { count: Math.ceil(queues.slots / slotsPerPiece), pieces: piecesOf(queues, slotsPerPiece) }
  }

  private all(): Omit<CapturedQueues, "rings"> {
    const { slots } = this
    return {
      slots,
      rows: this.table.rows.slice(0, slots * rowLength),
      times: this.times.numbers.slice(0, slots * timesLength),
      backs: this.back.values.slice(),
      nexts: this.next.values.slice()
    }
  }

  private some(chosen: Int32Array): Omit<CapturedQueues, "rings"> {
    const rows = new Int32Array(chosen.length * rowLength)
    const times = new Float64Array(chosen.length * timesLength)
    for (let i = 0; i < chosen.length; i++) {
      const slot = chosen[i]!
      for (let k = 0; k < rowLength; k++) rows[i * rowLength + k] = this.table.rows[slot * rowLength + k]!
      for (let k = 0; k < timesLength; k++) times[i * timesLength + k] = this.times.numbers[slot * timesLength + k]!
    }
    const valuesOf = ({ values }: LoggedValues) => Array.from(chosen, (slot) => values[slot])
    return { slots: chosen.length, rows, times, backs: valuesOf(this.back), nexts: valuesOf(this.next) }
  }

  /**
   * Puts the queues of a piece into the first of these slots, which are ascending, in the place of those that are there; how many it
   * had. Throws where it is no piece of them.
   */
  restore(given: unknown, slots: Int32Array): number {
    const { backs, counts, nexts, times, values } = checkedPiece(given, slots.length)
    const { back, next, pool, table } = this
    const queues = counts.length / countsLength
    let read = 0
    for (let i = 0; i < queues; i++) {
      const slot = slots[i]!
      const row = slot * rowLength
      if (slot >= this.slots) this.addSlots(slot + 1)
      else if (!this.isEmpty(slot)) {
        this.live--
        pool.leave(table.rows[row + ringAt]!, table.rows[row + ringBits]!)
      }
      const { rows } = table
      back.values[slot] = backs[i]
      next.values[slot] = nexts[i]
      for (let k = 0; k < timesLength; k++) this.times.numbers[slot * timesLength + k] = times[i * timesLength + k]!
      for (let k = 0; k < countsLength; k++) rows[row + firstCount + k] = counts[i * countsLength + k]!
      const size = rows[row + queueSize]!
      if (size > values.length - read) throw new Error("its queues have not as many values as they say")
      if (size === 0) continue
      this.live++
      rows[row + ringBits] = bitsFor(size)
      rows[row + ringAt] = pool.take(bitsFor(size))
      rows[row + ringStart] = 0
      for (let place = 0; place < size; place++) pool.add(rows[row + ringAt]!, place, values[read++])
    }
    if (read !== values.length) throw new Error("its queues have not as many values as they say")
    this.commit()
    return queues
  }
}

/** Throws where it is not what was captured of so many queues at most. */
const checkedPiece = (piece: unknown, queuesMax: number): QueuePiece => {
  if (typeof piece !== "object" || piece === null) throw new Error("a piece of its queues is damaged")
  const { backs, counts, nexts, times, values } = piece as { readonly [name in keyof QueuePiece]?: unknown }
  if (![backs, counts, nexts, times, values].every(Array.isArray)) throw new Error("a piece of its queues is damaged")
  const checked = piece as QueuePiece
  const queues = checked.counts.length / countsLength
  if (
    !Number.isInteger(queues) || queues < 1 || queues > queuesMax || checked.backs.length !== queues ||
    checked.nexts.length !== queues || checked.times.length !== queues * timesLength ||
    !checked.times.every((time) => typeof time === "number")
  ) throw new Error("the columns of a piece of its queues do not fit each other")
  const { counts: all } = checked
  for (let at = 0; at < all.length; at += countsLength) {
    const [size, front, middle, done, pending] = all.slice(at, at + countsLength) as [
      number,
      number,
      number,
      number,
      number
    ]
    const isQueue = all.slice(at, at + countsLength).every((count) => Number.isSafeInteger(count) && count >= 0) &&
      front + middle <= size && done <= middle && pending <= size - front
    if (!isQueue) throw new Error("a queue of it has counts that no queue has")
  }
  return checked
}

/** What queues were when they were captured. */
interface CapturedQueues {
  readonly slots: number
  readonly rows: Int32Array
  readonly times: Float64Array
  readonly backs: ReadonlyArray<unknown>
  readonly nexts: ReadonlyArray<unknown>
  readonly rings: CapturedRings
}

/** Pieces of `slotsPerPiece` slots; closes the rings at the end. */
function* piecesOf(queues: CapturedQueues, slotsPerPiece: number): Generator<QueuePiece, void> {
  const { backs, nexts, rings, rows, slots, times } = queues
  try {
    for (let from = 0; from < slots; from += slotsPerPiece) {
      const to = Math.min(from + slotsPerPiece, slots)
      const counts: Array<number> = []
      const values: Array<unknown> = []
      for (let slot = from; slot < to; slot++) {
        const row = slot * rowLength
        const start = rows[row + ringStart]!
        const mask = (1 << rows[row + ringBits]!) - 1
        const size = rows[row + queueSize]!
        for (let i = 0; i < size; i++) values.push(rings.read(rows[row + ringAt]!, (start + i) & mask))
        for (let k = 0; k < countsLength; k++) counts.push(rows[row + firstCount + k]!)
      }
      yield {
        counts,
        times: Array.from(times.subarray(from * timesLength, to * timesLength)),
        values,
        backs: backs.slice(from, to),
        nexts: nexts.slice(from, to)
      }
    }
  } finally {
    rings.close()
  }
}
