/**
 * TwoStacks: per slot a queue of values whose aggregate, oldest to newest, is known after each change, for about three calls of `f`
 * per value however long the queue is. `f` has to be associative, and is never asked to undo anything.
 *
 * ```
 *   | e1 | e2 | e3 | e4 | e5 |     front: e1 to e3, back: e4 and e5
 *     front = 3, size = 5          aggregate: f(value(e1), back)
 * ```
 * - An entry of the front holds the aggregate from itself to the front's end; one of the back holds its own value. `back` is the
 *   aggregate of the back. Taking the oldest calls nothing; adding makes one call for `back`.
 * - When the front is used up and the oldest of the back is taken, the rest becomes the front (a flip): one call per entry.
 *   The flip waits (front is `raw`) until it is known what else leaves.
 *
 * All queues that begin in the same batch would flip in the same later batch. So each is flipped once early, at a phase of the
 * window that depends on its slot, which spreads the flips over the batches from then on; it costs no more calls, for each entry
 * changes from back to front once.
 *
 * The entries of a queue lie in a ring, 2^bits places of one pool. What lay in a ring when the step began stays there until
 * its end: a flip writes to a new ring, and a ring without room is left for a longer one. So a step is taken back by
 * putting back the rows of the slots that it touched. Rings that were left are free again at its end.
 */
import type { Millis, Time } from "../time/Time.ts"
import { ascending, grownIntegers, grownNumbers } from "./slotColumns.ts"

export type Reduce = (a: unknown, b: unknown) => unknown

/** A row has, per slot: where the ring begins, its bits, the place of the oldest entry, the counts, and the slot's log. */
const rowLength = 8
const ringBase = 0
const ringBits = 1
const ringStart = 2
const queueSize = 3
const frontSize = 4
/** Which entry of this step's log has the row as it was. Not logged itself. */
const loggedAt = 5
/** What of a row is logged, after the slot. */
const loggedFields = 5
const logLength = 1 + loggedFields

/** In the place of the front's size. */
const raw = -1

/** When the early flip of a queue is over. */
const never = Number.MAX_SAFE_INTEGER

/** A fraction that spreads well over consecutive slots: multiples of the golden ratio. */
const phaseOf = (slot: number): number => (Math.imul(slot + 1, 0x9e3779b1) >>> 0) / 2 ** 32

/** Of a ring with room for so many entries. */
const bitsFor = (size: number): number => Math.max(1, 32 - Math.clz32(size - 1))

/** The queues of some slots, in order. `sizes` and `fronts` count entries; `values` are those of one queue after the other. */
export interface QueuePiece {
  readonly sizes: ReadonlyArray<number>
  readonly fronts: ReadonlyArray<number>
  readonly values: ReadonlyArray<unknown>
  readonly backs: ReadonlyArray<unknown>
  readonly flipAt: ReadonlyArray<number>
}

export class TwoStacks {
  private readonly f: Reduce
  private readonly windowMillis: Millis
  private slots = 0
  private slotsBefore = 0
  private rows: Int32Array = new Int32Array(0)
  private flipAt: Float64Array = new Float64Array(0)
  private readonly back: Array<unknown> = []

  private readonly pool: Array<unknown> = []
  /** By bits, where free rings begin. */
  private readonly free: Array<Array<number>> = Array.from({ length: 31 }, () => [])

  /** How many slots this step touched; of each, in order, what it was. */
  private logged = 0
  private rowsBefore: Int32Array = new Int32Array(0)
  private flipAtBefore: Float64Array = new Float64Array(0)
  private readonly backBefore: Array<unknown> = []
  /** Rings that this step took, and that it left: where they begin, and their bits. */
  private readonly taken: Array<number> = []
  private readonly left: Array<number> = []

  constructor(f: Reduce, windowMillis: Millis) {
    this.f = f
    this.windowMillis = windowMillis
  }

  /** The slots that this step touched, ascending. */
  touched(): Int32Array {
    const slots = new Int32Array(this.logged)
    for (let i = 0; i < slots.length; i++) slots[i] = this.rowsBefore[i * logLength]!
    return ascending(slots, this.slots)
  }

  isEmpty(slot: number): boolean {
    return this.rows[slot * rowLength + queueSize] === 0
  }

  /** Takes the oldest entry of a queue that is not empty. Calls nothing. */
  shift(slot: number): void {
    this.touch(slot)
    const { rows } = this
    const row = slot * rowLength
    const size = rows[row + queueSize]! - 1
    rows[row + queueSize] = size
    if (size === 0) {
      this.leave(rows[row + ringBase]!, rows[row + ringBits]!)
      rows[row + frontSize] = 0
      this.back[slot] = 0
      return
    }
    const front = rows[row + frontSize]!
    rows[row + frontSize] = front > 0 ? front - 1 : raw
    rows[row + ringStart] = (rows[row + ringStart]! + 1) & ((1 << rows[row + ringBits]!) - 1)
  }

  /** Adds the newest entry of a slot's queue. */
  push(slot: number, value: unknown, time: Time): void {
    if (slot >= this.slots) this.addSlots(slot + 1)
    this.touch(slot)
    const row = slot * rowLength
    const size = this.rows[row + queueSize]!
    if (size === 0) {
      this.begin(slot, 1)
      this.back[slot] = value
      this.flipAt[slot] = time + phaseOf(slot) * this.windowMillis
    } else {
      const front = this.rows[row + frontSize]!
      if (front === raw || (front === 0 && time >= this.flipAt[slot]!)) this.flip(slot)
      this.back[slot] = this.rows[row + frontSize] === size ? value : this.f(this.back[slot], value)
      this.makeRoom(slot)
    }
    const { rows } = this
    const mask = (1 << rows[row + ringBits]!) - 1
    this.pool[rows[row + ringBase]! + ((rows[row + ringStart]! + size) & mask)] = value
    rows[row + queueSize] = size + 1
  }

  /** The aggregate of a queue that is not empty and was touched in this step. */
  aggregate(slot: number): unknown {
    const { rows } = this
    const row = slot * rowLength
    if (rows[row + frontSize] === raw) this.flip(slot)
    const front = rows[row + frontSize]!
    if (front === 0) return this.back[slot]
    const oldest = this.pool[rows[row + ringBase]! + rows[row + ringStart]!]
    return front === rows[row + queueSize] ? oldest : this.f(oldest, this.back[slot])
  }

  /** Makes all entries the front, in a new ring. */
  private flip(slot: number): void {
    const { pool, rows } = this
    const row = slot * rowLength
    const base = rows[row + ringBase]!
    const start = rows[row + ringStart]!
    const mask = (1 << rows[row + ringBits]!) - 1
    const size = rows[row + queueSize]!
    this.leave(base, rows[row + ringBits]!)
    this.begin(slot, size + 1)
    const to = rows[row + ringBase]!
    let aggregate = pool[base + ((start + size - 1) & mask)]
    pool[to + size - 1] = aggregate
    for (let i = size - 2; i >= 0; i--) {
      aggregate = this.f(pool[base + ((start + i) & mask)], aggregate)
      pool[to + i] = aggregate
    }
    rows[row + frontSize] = size
    this.back[slot] = 0
    this.flipAt[slot] = never
  }

  /** Room for one more entry that overwrites nothing of what the ring had when the step began. */
  private makeRoom(slot: number): void {
    const { pool, rows, rowsBefore } = this
    const row = slot * rowLength
    const base = rows[row + ringBase]!
    const start = rows[row + ringStart]!
    const size = rows[row + queueSize]!
    const bits = rows[row + ringBits]!
    const mask = (1 << bits) - 1
    const before = rows[row + loggedAt]! * logLength + 1
    const isOld = rowsBefore[before + queueSize]! > 0 && rowsBefore[before + ringBase] === base
    const used = isOld ? size + ((start - rowsBefore[before + ringStart]!) & mask) : size
    if (used <= mask) return
    this.leave(base, bits)
    this.begin(slot, size + 1)
    const to = rows[row + ringBase]!
    for (let i = 0; i < size; i++) pool[to + i] = pool[base + ((start + i) & mask)]
  }

  /** Gives a slot a new ring. */
  private begin(slot: number, size: number): void {
    const bits = bitsFor(size)
    let base = this.free[bits]!.pop()
    if (base === undefined) {
      base = this.pool.length
      for (let i = 0; i < 1 << bits; i++) this.pool.push(0)
    }
    this.taken.push(base, bits)
    const row = slot * rowLength
    this.rows[row + ringBase] = base
    this.rows[row + ringBits] = bits
    this.rows[row + ringStart] = 0
  }

  private leave(base: number, bits: number): void {
    this.left.push(base, bits)
  }

  private touch(slot: number): void {
    const { rows, logged } = this
    const row = slot * rowLength
    const at = rows[row + loggedAt]!
    if (at < logged && this.rowsBefore[at * logLength] === slot) return
    if ((logged + 1) * logLength > this.rowsBefore.length) {
      this.rowsBefore = grownIntegers(this.rowsBefore, (logged + 1) * logLength)
      this.flipAtBefore = grownNumbers(this.flipAtBefore, this.rowsBefore.length)
    }
    const { rowsBefore } = this
    const to = logged * logLength
    rowsBefore[to] = slot
    for (let field = 0; field < loggedFields; field++) rowsBefore[to + 1 + field] = rows[row + field]!
    this.flipAtBefore[logged] = this.flipAt[slot]!
    this.backBefore[logged] = this.back[slot]
    rows[row + loggedAt] = logged
    this.logged = logged + 1
  }

  private addSlots(slots: number): void {
    this.rows = grownIntegers(this.rows, slots * rowLength)
    this.flipAt = grownNumbers(this.flipAt, slots)
    this.rows.fill(0, this.slots * rowLength, slots * rowLength)
    for (let slot = this.slots; slot < slots; slot++) {
      this.flipAt[slot] = never
      this.back.push(0)
    }
    this.slots = slots
  }

  commit(): void {
    this.release(this.left)
    this.endStep()
  }

  rollback(): void {
    const { rows, rowsBefore } = this
    for (let i = 0; i < this.logged; i++) {
      const from = i * logLength
      const slot = rowsBefore[from]!
      for (let field = 0; field < loggedFields; field++) rows[slot * rowLength + field] = rowsBefore[from + 1 + field]!
      this.flipAt[slot] = this.flipAtBefore[i]!
      this.back[slot] = this.backBefore[i]
    }
    this.release(this.taken)
    this.slots = this.slotsBefore
    this.back.length = this.slots
    this.endStep()
  }

  private release(rings: ReadonlyArray<number>): void {
    for (let i = 0; i < rings.length; i += 2) {
      const base = rings[i]!
      const bits = rings[i + 1]!
      this.pool.fill(0, base, base + (1 << bits))
      this.free[bits]!.push(base)
    }
  }

  private endStep(): void {
    this.slotsBefore = this.slots
    // Filled rather than cut off, so that it need not grow again in each step; old values are not held.
    this.backBefore.fill(0, 0, this.logged)
    this.logged = 0
    this.taken.length = 0
    this.left.length = 0
  }

  /** Slots move as `moved` says: never up, in their order. Those that go nowhere are empty. Between steps. */
  move(moved: Int32Array): void {
    let slots = 0
    for (let slot = 0; slot < this.slots; slot++) {
      const to = moved[slot]!
      if (to < 0) continue
      this.rows.copyWithin(to * rowLength, slot * rowLength, (slot + 1) * rowLength)
      this.flipAt[to] = this.flipAt[slot]!
      this.back[to] = this.back[slot]
      slots = to + 1
    }
    this.slots = slots
    this.slotsBefore = slots
    this.back.length = slots
  }

  /** All queues, those of `slotsPerPiece` slots in a piece; captured at once. Between steps. */
  capture(slotsPerPiece: number): Iterable<QueuePiece> {
    const { slots } = this
    const rows = this.rows.slice(0, slots * rowLength)
    return pieces({
      slots,
      rows,
      flipAt: this.flipAt.slice(0, slots),
      back: this.back.slice(),
      pool: this.pool.slice()
    }, slotsPerPiece)
  }

  /** Adds the queues of a piece to those that are there. Throws where it is no piece. */
  restore({ sizes, fronts, values, backs, flipAt }: QueuePiece): void {
    let read = 0
    for (let i = 0; i < sizes.length; i++) {
      const slot = this.slots
      const size = sizes[i]!
      this.addSlots(slot + 1)
      this.back[slot] = backs[i]
      this.flipAt[slot] = flipAt[i]!
      if (size === 0) continue
      this.begin(slot, size + 1)
      const row = slot * rowLength
      const base = this.rows[row + ringBase]!
      for (let place = 0; place < size; place++) this.pool[base + place] = values[read++]
      this.rows[row + queueSize] = size
      this.rows[row + frontSize] = fronts[i]!
    }
    if (read !== values.length) throw new Error("its queues have not as many values as they say")
    this.endStep()
  }
}

interface Queues {
  readonly slots: number
  readonly rows: Int32Array
  readonly flipAt: Float64Array
  readonly back: ReadonlyArray<unknown>
  readonly pool: ReadonlyArray<unknown>
}

function* pieces({ back, flipAt, pool, rows, slots }: Queues, slotsPerPiece: number): Generator<QueuePiece, void> {
  for (let from = 0; from < slots; from += slotsPerPiece) {
    const to = Math.min(from + slotsPerPiece, slots)
    const sizes: Array<number> = []
    const fronts: Array<number> = []
    const values: Array<unknown> = []
    for (let slot = from; slot < to; slot++) {
      const row = slot * rowLength
      const size = rows[row + queueSize]!
      const base = rows[row + ringBase]!
      const start = rows[row + ringStart]!
      const mask = (1 << rows[row + ringBits]!) - 1
      for (let i = 0; i < size; i++) values.push(pool[base + ((start + i) & mask)])
      sizes.push(size)
      fronts.push(rows[row + frontSize]!)
    }
    yield { sizes, fronts, values, backs: back.slice(from, to), flipAt: Array.from(flipAt.subarray(from, to)) }
  }
}
