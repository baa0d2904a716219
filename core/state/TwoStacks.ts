/**
 * TwoStacks: per slot a queue of values whose aggregate, oldest to newest, is known after each change, for about three calls of `f`
 * per value however long the queue is. `f` has to be associative, and is never asked to undo anything.
 *
 * ```
 *   head -> e1 -> e2 -> e3 -> e4 -> e5 <- tail        front: e1 to e3, back: e4 and e5
 *                             ^ split                 aggregate: f(value(e1), back)
 * ```
 * - An entry of the front holds the aggregate from itself to the front's end; one of the back holds its own value. `back` is the
 *   aggregate of the back. Taking the oldest only moves `head`; adding makes one call for `back`.
 * - When the front is used up and the oldest of the back is taken, the rest becomes the front (a flip): one call per entry.
 * - `split` is `none` where the back is empty, and `raw` between taking from the back and the flip, which waits until it is known
 *   what else leaves. An empty queue has head `none`.
 *
 * All queues that begin in the same batch would flip in the same later batch. So each is flipped once early, at a phase of the
 * window that depends on its slot, which spreads the flips over the batches from then on; it costs no more calls, for each entry
 * changes from back to front once.
 *
 * Entries of all queues lie in one pool. Changes of a step are logged (slot once, entry when overwritten) and can be taken back;
 * entries that leave are free again at its end.
 */
import type { Millis, Time } from "../time/Time.ts"
import { grownIntegers, grownNumbers } from "./grown.ts"

export type Reduce = (a: unknown, b: unknown) => unknown

const none = -1
const raw = -2

/** When the early flip of a queue is over. */
const never = Number.MAX_SAFE_INTEGER

/** A fraction that spreads well over consecutive slots: multiples of the golden ratio. */
const phaseOf = (slot: number): number => (Math.imul(slot + 1, 0x9e3779b1) >>> 0) / 2 ** 32

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
  private head: Int32Array = new Int32Array(0)
  private split: Int32Array = new Int32Array(0)
  private tail: Int32Array = new Int32Array(0)
  private flipAt: Float64Array = new Float64Array(0)
  /** The step that touched a slot last. */
  private touchedIn: Int32Array = new Int32Array(0)
  private readonly back: Array<unknown> = []

  private next: Int32Array = new Int32Array(0)
  private readonly values: Array<unknown> = []
  private readonly free: Array<number> = []

  private stepNumber = 1
  /** The slots that this step touched, each with head, split and tail before. */
  private readonly before: Array<number> = []
  private readonly flipAtBefore: Array<number> = []
  private readonly backBefore: Array<unknown> = []
  private readonly overwritten: Array<number> = []
  private readonly valuesBefore: Array<unknown> = []
  private readonly taken: Array<number> = []
  private readonly left: Array<number> = []
  private readonly scratch: Array<number> = []
  private slotsBefore = 0

  constructor(f: Reduce, windowMillis: Millis) {
    this.f = f
    this.windowMillis = windowMillis
  }

  /** How many slots this step touched. */
  get touched(): number {
    return this.flipAtBefore.length
  }

  /** The slot that this step touched as its `index`-th. */
  touchedSlot(index: number): number {
    return this.before[4 * index]!
  }

  isEmpty(slot: number): boolean {
    return this.head[slot] === none
  }

  /** Takes the oldest entry of a queue that is not empty. Calls nothing. */
  shift(slot: number): void {
    this.touch(slot)
    const entry = this.head[slot]!
    this.left.push(entry)
    if (entry === this.tail[slot]) {
      this.head[slot] = none
      this.split[slot] = none
      this.back[slot] = 0
      return
    }
    if (entry === this.split[slot]) this.split[slot] = raw
    this.head[slot] = this.next[entry]!
  }

  /** Adds the newest entry of a slot's queue. */
  push(slot: number, value: unknown, time: Time): void {
    if (slot >= this.slots) this.addSlots(slot + 1)
    this.touch(slot)
    const { head, split, tail } = this
    if (head[slot] === none) {
      const entry = this.takeEntry(value)
      head[slot] = entry
      split[slot] = entry
      tail[slot] = entry
      this.back[slot] = value
      this.flipAt[slot] = time + phaseOf(slot) * this.windowMillis
      return
    }
    if (split[slot] === raw || (split[slot] === head[slot] && time >= this.flipAt[slot]!)) this.flip(slot)
    const back = split[slot] === none ? value : this.f(this.back[slot], value)
    const entry = this.takeEntry(value)
    this.back[slot] = back
    if (split[slot] === none) split[slot] = entry
    this.next[tail[slot]!] = entry
    tail[slot] = entry
  }

  /** The aggregate of a queue that is not empty and was touched in this step. */
  aggregate(slot: number): unknown {
    if (this.split[slot] === raw) this.flip(slot)
    const head = this.head[slot]!
    const split = this.split[slot]!
    if (split === none) return this.values[head]
    return split === head ? this.back[slot] : this.f(this.values[head], this.back[slot])
  }

  /** Makes all entries the front. */
  private flip(slot: number): void {
    const { next, overwritten, scratch, values, valuesBefore } = this
    const tail = this.tail[slot]!
    scratch.length = 0
    for (let entry = this.head[slot]!; entry !== tail; entry = next[entry]!) scratch.push(entry)
    let aggregate = values[tail]
    for (let i = scratch.length - 1; i >= 0; i--) {
      const entry = scratch[i]!
      const value = values[entry]
      aggregate = this.f(value, aggregate)
      overwritten.push(entry)
      valuesBefore.push(value)
      values[entry] = aggregate
    }
    this.split[slot] = none
    this.back[slot] = 0
    this.flipAt[slot] = never
  }

  private touch(slot: number): void {
    if (this.touchedIn[slot] === this.stepNumber) return
    this.touchedIn[slot] = this.stepNumber
    this.before.push(slot, this.head[slot]!, this.split[slot]!, this.tail[slot]!)
    this.flipAtBefore.push(this.flipAt[slot]!)
    this.backBefore.push(this.back[slot])
  }

  private takeEntry(value: unknown): number {
    const entry = this.free.pop() ?? this.values.length
    if (entry === this.values.length) {
      this.values.push(value)
      this.next = grownIntegers(this.next, entry + 1)
    } else this.values[entry] = value
    this.taken.push(entry)
    return entry
  }

  private addSlots(slots: number): void {
    this.head = grownIntegers(this.head, slots)
    this.split = grownIntegers(this.split, slots)
    this.tail = grownIntegers(this.tail, slots)
    this.flipAt = grownNumbers(this.flipAt, slots)
    this.touchedIn = grownIntegers(this.touchedIn, slots)
    for (let slot = this.slots; slot < slots; slot++) {
      this.head[slot] = none
      this.split[slot] = none
      this.tail[slot] = none
      this.flipAt[slot] = never
      this.touchedIn[slot] = 0
      this.back.push(0)
    }
    this.slots = slots
  }

  commit(): void {
    this.release(this.left)
    this.endStep()
  }

  rollback(): void {
    const { before } = this
    for (let i = this.touched - 1; i >= 0; i--) {
      const slot = before[4 * i]!
      this.head[slot] = before[4 * i + 1]!
      this.split[slot] = before[4 * i + 2]!
      this.tail[slot] = before[4 * i + 3]!
      this.flipAt[slot] = this.flipAtBefore[i]!
      this.back[slot] = this.backBefore[i]
    }
    for (let i = this.overwritten.length - 1; i >= 0; i--) this.values[this.overwritten[i]!] = this.valuesBefore[i]
    this.release(this.taken)
    this.slots = this.slotsBefore
    this.back.length = this.slots
    this.endStep()
  }

  private release(entries: ReadonlyArray<number>): void {
    for (const entry of entries) {
      this.values[entry] = 0
      this.free.push(entry)
    }
  }

  private endStep(): void {
    this.stepNumber++
    this.slotsBefore = this.slots
    this.before.length = 0
    this.flipAtBefore.length = 0
    this.backBefore.length = 0
    this.overwritten.length = 0
    this.valuesBefore.length = 0
    this.taken.length = 0
    this.left.length = 0
  }

  /** Slots move as `moved` says: never up, in their order. Those that go nowhere are empty. Between steps. */
  move(moved: Int32Array): void {
    let slots = 0
    for (let slot = 0; slot < this.slots; slot++) {
      const to = moved[slot]!
      if (to < 0) continue
      this.head[to] = this.head[slot]!
      this.split[to] = this.split[slot]!
      this.tail[to] = this.tail[slot]!
      this.flipAt[to] = this.flipAt[slot]!
      this.back[to] = this.back[slot]
      slots = to + 1
    }
    this.touchedIn.fill(0)
    this.slots = slots
    this.slotsBefore = slots
    this.back.length = slots
  }

  /** All queues, those of `slotsPerPiece` slots in a piece; captured at once. Between steps. */
  capture(slotsPerPiece: number): Iterable<QueuePiece> {
    const queues = {
      slots: this.slots,
      head: this.head.slice(0, this.slots),
      split: this.split.slice(0, this.slots),
      tail: this.tail.slice(0, this.slots),
      flipAt: this.flipAt.slice(0, this.slots),
      back: this.back.slice(),
      next: this.next.slice(0, this.values.length),
      values: this.values.slice()
    }
    return pieces(queues, slotsPerPiece)
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
      for (let place = 0; place < size; place++) {
        const entry = this.takeEntry(values[read++])
        if (place === 0) this.head[slot] = entry
        else this.next[this.tail[slot]!] = entry
        if (place === fronts[i]) this.split[slot] = entry
        this.tail[slot] = entry
      }
    }
    if (read !== values.length) throw new Error("the queues of a snapshot have not the values that they say")
    this.endStep()
  }
}

interface Queues {
  readonly slots: number
  readonly head: Int32Array
  readonly split: Int32Array
  readonly tail: Int32Array
  readonly flipAt: Float64Array
  readonly back: ReadonlyArray<unknown>
  readonly next: Int32Array
  readonly values: ReadonlyArray<unknown>
}

function* pieces(queues: Queues, slotsPerPiece: number): Generator<QueuePiece, void> {
  for (let from = 0; from < queues.slots; from += slotsPerPiece) {
    const to = Math.min(from + slotsPerPiece, queues.slots)
    const sizes: Array<number> = []
    const fronts: Array<number> = []
    const values: Array<unknown> = []
    for (let slot = from; slot < to; slot++) {
      let size = 0
      let front = none
      let entry = queues.head[slot]!
      while (entry !== none) {
        if (entry === queues.split[slot]) front = size
        values.push(queues.values[entry])
        size++
        entry = entry === queues.tail[slot] ? none : queues.next[entry]!
      }
      sizes.push(size)
      fronts.push(front === none ? size : front)
    }
    const flipAt = Array.from(queues.flipAt.subarray(from, to))
    yield { sizes, fronts, values, backs: queues.back.slice(from, to), flipAt }
  }
}
