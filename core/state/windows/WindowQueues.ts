/**
 * WindowQueues: per slot a queue of values whose aggregate, oldest to newest, is known after each change, for about three calls of
 * `f` per value however long the queue is. `f` has to be associative, and is never asked to undo anything.
 *
 * ```
 *   | e1 | e2 | e3 | e4 | e5 | e6 | e7 |     front = 2, middle = 3, pending = 1, size = 7
 *     back: e3 to e6, next: e6               aggregate: f(value(e1), f(back, e7))
 * ```
 * - An entry of the front holds the aggregate from itself to the front's end; all others hold their own values. `back` is the
 *   aggregate of what comes after the front, but for the newest, which may be `pending`: where nothing leaves, the aggregate with
 *   a new value is one call away. `back` may be late by one value, which is saved where the queue is flipped next.
 * - When the front is used up, `back` and what is pending are all there is, and `back` is needed no more. When then something leaves,
 *   the rest becomes the front (a flip): one call per entry.
 *
 * No batch is to pay for the flips of many keys, nor for the long flip of one of few keys:
 * - All queues that begin in the same batch would flip in the same later batch. So each is flipped once early, at a phase of the
 *   window that depends on its slot; it costs no more calls, for each entry comes to the front once.
 * - Where there are few queues (`isFew`), a flip is spread over the last quarter of the front's time: what is behind the front then
 *   is the `middle`, which becomes the next front, last entry first (`done` of them), as much in a step as time has passed.
 *   `next` is to the middle what `back` is to the front. So a queue with an entry in every step commonly makes 2 calls, and at
 *   most 6: 3.3 in the mean, which is more than 3, so it is done only where it shows.
 *
 * Which of both happens is a function of the queues and the batches held, decided anew in each step, so that a restored store
 * decides alike.
 */
import type { Millis, Time } from "../../time/Time.ts"
import {
  addedSize,
  doneSize,
  frontSize,
  frontUntil,
  loggedAt,
  logLength,
  middleSize,
  middleUntil,
  pendingSize,
  phaseAt,
  queueSize,
  QueueTable,
  queueUntil,
  ringAt,
  ringBits,
  ringStart,
  rowLength,
  timesLength
} from "./QueueTable.ts"

export type Reduce = (a: unknown, b: unknown) => unknown

const never = Number.MAX_SAFE_INTEGER

/** The part of the window over which a flip is spread: three entries in a step, beside the three calls that the step makes anyway. */
const flipShare = 1 / 4

/** What is flipped at once, in four calls, where flips are spread. */
const shortFlip = 5

/** More entries are not pending after a step. */
const pendingMax = 1

/** There are few queues where the window has so many batches for each. */
const fewPerBatches = 4

/** A fraction that spreads well over consecutive slots: multiples of the golden ratio. */
const phaseOf = (slot: number): number => (Math.imul(slot + 1, 0x9e3779b1) >>> 0) / 2 ** 32

export class WindowQueues extends QueueTable {
  private readonly f: Reduce
  private readonly windowMillis: Millis

  constructor(f: Reduce, windowMillis: Millis) {
    super()
    this.f = f
    this.windowMillis = windowMillis
  }

  /** Whether there are so few queues that the flip of one shows; `batches`: how many the window has. */
  isFew(batches: number): boolean {
    return this.live * fewPerBatches < batches
  }

  /**
   * The aggregate of a queue that was touched in this step, once, after all that comes and leaves; undefined where the queue is
   * empty. `before` is what it was before the step.
   */
  aggregate(slot: number, before: unknown, time: Time, isFew: boolean): unknown {
    const { rows, rowsBefore } = this.table
    const row = slot * rowLength
    const log = rows[row + loggedAt]! * logLength + 1
    const added = rows[row + addedSize]!
    const size = rows[row + queueSize]!
    const shifted = rowsBefore[log + queueSize]! + added - size
    if (added === size) this.begin(slot, time)
    if (size === 0) return
    if (added > 0 && isFew) this.times.set(slot * timesLength + queueUntil, time + this.windowMillis)
    if (shifted === 0) return this.extended(slot, before, time, isFew)
    const inOrder = rowsBefore[log + frontSize]! + rowsBefore[log + middleSize]!
    if (shifted > inOrder) {
      this.flip(slot, time)
    } else if (rows[row + frontSize] === 0) {
      if (rowsBefore[log + middleSize]! > 0) this.advance(slot)
      if (rows[row + frontSize] === 0) return this.rested(slot, time)
    }
    this.fold(slot, rows[row + pendingSize]!)
    const oldest = this.entry(slot, 0)
    const isAll = rows[row + frontSize] === rows[row + queueSize]
    const value = isAll ? oldest : this.f(oldest, this.back.values[slot])
    this.prepare(slot, time, isFew)
    return value
  }

  /** Nothing is in the queue but what this step added. */
  private begin(slot: number, time: Time): void {
    this.back.set(slot, 0)
    this.next.set(slot, 0)
    this.times.set(slot * timesLength + phaseAt, time + phaseOf(slot) * this.windowMillis)
  }

  /** Nothing left. */
  private extended(slot: number, before: unknown, time: Time, isFew: boolean): unknown {
    const { f, table: { rows }, times } = this
    const row = slot * rowLength
    const size = rows[row + queueSize]!
    const added = rows[row + addedSize]!
    let from = size - added
    const first = this.first(slot, added)
    let value = from === 0 ? first : f(before, first)
    for (from++; from < size; from++) value = f(value, this.entry(slot, from))
    if (rows[row + frontSize]! > 0) {
      const spare = rows[row + middleSize] === 0 ? pendingMax : 0
      this.fold(slot, Math.max(0, rows[row + pendingSize]! - spare))
      this.prepare(slot, time, isFew)
    } else if (isFew ? size >= shortFlip : time >= times.numbers[slot * timesLength + phaseAt]!) this.flip(slot, time)
    return value
  }

  /** The front is used up, and what is behind it has not become the next. */
  private rested(slot: number, time: Time): unknown {
    const { rows } = this.table
    const row = slot * rowLength
    this.fold(slot, rows[row + pendingSize]!)
    const value = this.back.values[slot]
    this.back.set(slot, 0)
    const phase = rows[row + queueSize]! < shortFlip ? time + phaseOf(slot) * this.windowMillis : never
    this.times.set(slot * timesLength + phaseAt, phase)
    return value
  }

  /** Makes all entries the front. */
  private flip(slot: number, time: Time): void {
    const { f, pool, table: { rows }, times } = this
    const row = slot * rowLength
    const ring = rows[row + ringAt]!
    const start = rows[row + ringStart]!
    const mask = (1 << rows[row + ringBits]!) - 1
    const size = rows[row + queueSize]!
    let aggregate = pool.read(ring, (start + size - 1) & mask)
    for (let i = size - 2; i >= 0; i--) {
      const place = (start + i) & mask
      aggregate = f(pool.read(ring, place), aggregate)
      pool.write(ring, place, aggregate)
    }
    rows[row + frontSize] = size
    rows[row + pendingSize] = 0
    this.back.set(slot, 0)
    times.set(slot * timesLength + frontUntil, this.until(slot, time))
  }

  /** Takes the first of what is pending into the aggregates behind front and middle. */
  private fold(slot: number, count: number): void {
    if (count === 0) return
    const { f, table: { rows } } = this
    const row = slot * rowLength
    const pending = rows[row + pendingSize]!
    const from = rows[row + queueSize]! - pending
    const middleEnd = rows[row + frontSize]! + rows[row + middleSize]!
    let run = this.first(slot, pending)
    for (let i = 1; i < count; i++) run = f(run, this.entry(slot, from + i))
    this.back.set(slot, from > rows[row + frontSize]! ? f(this.back.values[slot], run) : run)
    if (rows[row + middleSize]! > 0) this.next.set(slot, from > middleEnd ? f(this.next.values[slot], run) : run)
    rows[row + pendingSize] = pending - count
  }

  /** Where there are few queues, makes ready the next front while there still is one. */
  private prepare(slot: number, time: Time, isFew: boolean): void {
    const { table: { rows }, times } = this
    const row = slot * rowLength
    const at = slot * timesLength
    const middle = rows[row + middleSize]!
    if (middle === 0 && !isFew) return
    const until = times.numbers[at + frontUntil]!
    if (middle > 0) {
      const began = times.numbers[at + phaseAt]!
      this.flipMiddle(slot, time < until ? Math.ceil(middle * (time - began) / (until - began)) : middle)
      return
    }
    const behind = rows[row + queueSize]! - rows[row + frontSize]!
    // Half a step more, so that no step has four entries to flip.
    const share = flipShare + 0.5 / rows[row + queueSize]!
    if (behind < shortFlip || time < until - share * this.windowMillis) return
    this.fold(slot, rows[row + pendingSize]!)
    rows[row + middleSize] = behind
    times.set(at + phaseAt, time)
    times.set(at + middleUntil, this.until(slot, time))
  }

  /** When the newest entry leaves, or somewhat before: it is noted only where there are few queues. */
  private until(slot: number, time: Time): Time {
    const until = this.times.numbers[slot * timesLength + queueUntil]!
    return until > time ? until : time + this.windowMillis
  }

  /** Until so many entries are done. */
  private flipMiddle(slot: number, target: number): void {
    const { f, pool, table: { rows } } = this
    const row = slot * rowLength
    const ring = rows[row + ringAt]!
    const mask = (1 << rows[row + ringBits]!) - 1
    const last = rows[row + ringStart]! + rows[row + frontSize]! + rows[row + middleSize]! - 1
    for (let done = Math.max(1, rows[row + doneSize]!); done < target; done++) {
      const place = (last - done) & mask
      pool.write(ring, place, f(pool.read(ring, place), pool.read(ring, (place + 1) & mask)))
    }
    rows[row + doneSize] = Math.max(target, rows[row + doneSize]!)
  }

  /** The middle, or what is left of it, becomes the front. */
  private advance(slot: number): void {
    const { table: { rows }, times } = this
    const row = slot * rowLength
    const middle = rows[row + middleSize]!
    this.flipMiddle(slot, middle)
    rows[row + frontSize] = middle
    rows[row + middleSize] = 0
    rows[row + doneSize] = 0
    times.set(slot * timesLength + frontUntil, times.numbers[slot * timesLength + middleUntil]!)
    this.back.set(slot, this.next.values[slot])
    this.next.set(slot, 0)
  }
}
