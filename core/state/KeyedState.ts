/**
 * KeyedState: the mutable table of states by key of one partition, and its versions.
 *
 * A key has a slot (see `KeyedMap`); beside the slots lie state and time of last update. The records of a version are in slot order.
 * A key without a state is a tombstone, and takes its old slot when it comes back. Once more than half of the slots are tombstones,
 * the next step begins by moving the others into a new table: a function of the history alone.
 *
 * | call | does |
 * | --- | --- |
 * | begin | opens a step; from here to its end, slots change |
 * | slotOf, set, touch, remove | change slots; what a slot was before the step is written to the step's changes, once |
 * | commit(t) | the changes lead from the version before to t |
 * | rollback | takes the changes back, new slots included |
 *
 * An earlier version is read from the table as it is now, and from the changes of every step since. A version refers to the changes
 * that led away from it, so a reader that was left behind by `forgetBefore`, or reads while a step runs, keeps what it needs. Of
 * versions before a new table the old table's columns stay until they are forgotten.
 *
 * Between two captures the slots that steps change are listed, step by step, so that the next capture can be of those alone. Where
 * they come to more than half of the slots that there were, and with a new table, the lists are dropped: then all of it is captured.
 */
import { detached } from "./detached.ts"
import { KeyedMap } from "../rdd/KeyedMap.ts"
import type { Time } from "../time/Time.ts"
import { UpdateOrder } from "./UpdateOrder.ts"
import { ascending } from "./windows/slotColumns.ts"

/** Stands in `values` where a slot's key has no state. */
export const absent: unique symbol = Symbol("absent")

/** How many slots are gone through before others get their turn; also the length of chunks and pieces. */
export const sliceSlots = 8192

/** What slots were before a step changed them. */
interface Changes {
  readonly slots: Array<number>
  readonly values: Array<unknown>
  readonly times: Array<Time>
  /** Before the step. */
  readonly slotsBefore: number
  readonly countBefore: number
  /** The version that they led to, once there is. */
  to: KeyedVersion | undefined
}

export interface KeyedVersion {
  readonly time: Time
  readonly slots: number
  readonly count: number
  /** What the step emitted, where that is something else than all states. */
  readonly emitted: ReadonlyArray<unknown> | undefined
  readonly keys: ReadonlyArray<unknown>
  readonly values: ReadonlyArray<unknown>
  /** The changes that led away from it; undefined: none did, in its own table. */
  away: Changes | undefined
}

/** The newest version's columns, tombstones included. */
export interface Columns {
  /** May go on behind the values. */
  readonly keys: ReadonlyArray<unknown>
  /** The slot whose values come first. 0. */
  readonly first?: number | undefined
  readonly values: ReadonlyArray<unknown>
  readonly times: Float64Array
}

/** Some slots as they are now, ascending. */
export interface ChangedColumns {
  readonly slots: Int32Array
  readonly values: ReadonlyArray<unknown>
  readonly times: Float64Array
}

/** What differs from the last capture. */
export interface Difference {
  readonly changed: ChangedColumns
  readonly added: Columns
}

/** What steps have changed since the last capture. */
interface Tracking {
  /** The slots that there were. */
  readonly slots: number
  readonly steps: Array<ReadonlyArray<number>>
  count: number
}

const initialSlots = 256

export class KeyedState {
  values: Array<unknown> = []
  times: Float64Array = new Float64Array(initialSlots)
  private map = emptyMap()
  /** Which step last wrote a slot to its changes. */
  private loggedIn = new Int32Array(initialSlots)
  private steps = 0
  private count = 0
  private changes: Changes | undefined
  private order: UpdateOrder | undefined
  private versions: Array<KeyedVersion> = []
  private tracking: Tracking | undefined

  /** `ordered`: keeps slots in the order of their times, which `dueBefore` needs. */
  constructor(ordered: boolean) {
    this.order = ordered ? new UpdateOrder() : undefined
  }

  get keys(): ReadonlyArray<unknown> {
    return this.map.keys
  }

  get slots(): number {
    return this.values.length
  }

  get newest(): KeyedVersion | undefined {
    return this.versions[this.versions.length - 1]
  }

  version(time: Time): KeyedVersion | undefined {
    return this.versions.find((version) => version.time === time)
  }

  /** Versions before `time`, but the newest, are forgotten. */
  forgetBefore(time: Time): void {
    this.versions = this.versions.filter((version) => version.time >= time || version === this.newest)
  }

  /** Whether the next step begins by moving its keys into a new table. */
  get isSparse(): boolean {
    return (this.slots - this.count) * 2 > this.slots
  }

  /**
   * Where the keys were moved into a new table, it gives the new slot for each old one, -1 for those that are left out: tombstones,
   * unless `isKept`.
   */
  *begin(isKept?: (slot: number) => boolean): Generator<void, Int32Array | undefined> {
    if (this.changes !== undefined) throw new Error("a step of this state runs already")
    const moved = this.isSparse ? yield* this.compact(isKept) : undefined
    this.steps++
    this.changes = {
      slots: [],
      values: [],
      times: [],
      slotsBefore: this.slots,
      countBefore: this.count,
      to: undefined
    }
    const newest = this.newest
    if (newest?.values === this.values) newest.away = this.changes
    return moved
  }

  /** The slot of a key; a new key gets one without a state. Throws `UnhashableKey`. */
  slotOf(key: unknown): number {
    const slot = this.map.slotOf(key)
    if (slot === this.values.length) {
      if (slot === this.times.length) this.grow(slot * 2)
      this.values.push(absent)
      this.times[slot] = 0
    }
    return slot
  }

  set(slot: number, value: unknown, time: Time): void {
    const isNew = this.values[slot] === absent
    this.log(slot)
    if (isNew) this.count++
    this.values[slot] = value
    if (isNew || this.times[slot] !== time) this.order?.touch(slot)
    this.times[slot] = time
  }

  /** The slot's key, if it has a state, was updated now. */
  touch(slot: number, time: Time): void {
    if (this.values[slot] === absent || this.times[slot] === time) return
    this.log(slot)
    this.times[slot] = time
    this.order?.touch(slot)
  }

  remove(slot: number): void {
    if (this.values[slot] === absent) return
    this.log(slot)
    this.values[slot] = absent
    this.count--
    this.order?.drop(slot)
  }

  /** The slots whose key was last updated before `threshold`, in order; looks at no others. */
  dueBefore(threshold: Time): ReadonlyArray<number> {
    return this.order?.dueBefore(threshold, this.times) ?? []
  }

  commit(time: Time, emitted: ReadonlyArray<unknown> | undefined): void {
    const changes = this.changes!
    changes.to = this.hold(time, emitted)
    this.changes = undefined
    this.track(changes.slots)
  }

  rollback(): void {
    const changes = this.changes!
    this.changes = undefined
    const newest = this.newest
    if (newest !== undefined) newest.away = undefined
    for (let i = 0; i < changes.slots.length; i++) {
      const slot = changes.slots[i]!
      this.values[slot] = changes.values[i]
      this.times[slot] = changes.times[i]!
    }
    this.count = changes.countBefore
    if (this.slots > changes.slotsBefore) {
      this.values.length = changes.slotsBefore
      this.map = mapOf(this.map.keys, changes.slotsBefore)
    }
    this.reorder()
  }

  /** `[key, state]` of a version, in chunks; a step may run between two of them. */
  *read(version: KeyedVersion): Generator<ReadonlyArray<readonly [key: unknown, state: unknown]>> {
    const { keys, slots, values } = version
    const since = new Since(version)
    for (let from = 0; from < slots; from += sliceSlots) {
      const earlier = since.look()
      const chunk: Array<readonly [unknown, unknown]> = []
      const to = Math.min(slots, from + sliceSlots)
      for (let slot = from; slot < to; slot++) {
        const value = earlier.size > 0 && earlier.has(slot) ? earlier.get(slot) : values[slot]
        if (value !== absent) chunk.push([keys[slot], value])
      }
      if (chunk.length > 0) yield chunk
    }
  }

  /** A copy: later steps change nothing in it. */
  capture(): Columns {
    const { keys, slots } = this
    this.startTracking()
    // keys stay where they are for as long as their table is used
    return { keys, values: this.values.slice(), times: this.times.slice(0, slots) }
  }

  /** As `capture`, of what differs from the last one; costs no more than that. undefined: it cannot be told, or is most of it. */
  captureDifference(): Difference | undefined {
    const { keys, slots, times, tracking, values } = this
    if (tracking === undefined) return undefined
    this.startTracking()
    const first = tracking.slots
    const changed = listOf(tracking)
    const changedValues: Array<unknown> = []
    const changedTimes = new Float64Array(changed.length)
    for (let i = 0; i < changed.length; i++) {
      changedValues.push(values[changed[i]!])
      changedTimes[i] = times[changed[i]!]!
    }
    return {
      changed: { slots: changed, values: changedValues, times: changedTimes },
      added: { keys, first, values: values.slice(first), times: times.slice(first, slots) }
    }
  }

  private startTracking(): void {
    this.tracking = { slots: this.slots, steps: [], count: 0 }
  }

  private track(slots: ReadonlyArray<number>): void {
    const { tracking } = this
    if (tracking === undefined) return
    tracking.steps.push(slots)
    tracking.count += slots.length
    if (tracking.count * 2 > tracking.slots) this.tracking = undefined
  }

  /** Of a new state: it becomes the one captured, as the version of `time`. */
  restore(time: Time, { keys, times, values }: Columns, emitted: ReadonlyArray<unknown> | undefined): void {
    const slots = values.length
    this.map = mapOf(keys, slots)
    if (this.map.size !== slots) throw new Error("a key comes twice in it")
    this.values = values.slice()
    this.grow(Math.max(initialSlots, slots))
    this.times.set(times)
    this.count = values.reduce((count: number, value) => value === absent ? count : count + 1, 0)
    this.reorder()
    this.hold(time, emitted)
    this.startTracking()
  }

  private hold(time: Time, emitted: ReadonlyArray<unknown> | undefined): KeyedVersion {
    const { count, keys, slots, values } = this
    const version: KeyedVersion = { time, slots, count, emitted, keys, values, away: undefined }
    this.versions.push(version)
    return version
  }

  private log(slot: number): void {
    const changes = this.changes!
    if (slot >= changes.slotsBefore || this.loggedIn[slot] === this.steps) return
    this.loggedIn[slot] = this.steps
    changes.slots.push(slot)
    changes.values.push(this.values[slot])
    changes.times.push(this.times[slot]!)
  }

  /** Moves the keys that have a state into a new table. */
  private *compact(isKept: ((slot: number) => boolean) | undefined): Generator<void, Int32Array> {
    const { keys, times, values } = this
    const map = new KeyedMap()
    map.expected = this.count
    const kept: Array<unknown> = []
    const keptTimes = new Float64Array(Math.max(initialSlots, isKept === undefined ? this.count : this.slots))
    const moved = new Int32Array(this.slots).fill(-1)
    for (let slot = 0; slot < values.length; slot++) {
      if (slot % sliceSlots === sliceSlots - 1) yield
      if (values[slot] === absent && isKept?.(slot) !== true) continue
      keptTimes[kept.length] = times[slot]!
      moved[slot] = kept.length
      map.slotOf(keys[slot])
      kept.push(values[slot])
    }
    this.tracking = undefined
    map.kept = detached
    this.map = map
    this.values = kept
    this.times = keptTimes
    this.loggedIn = new Int32Array(keptTimes.length)
    this.reorder()
    return moved
  }

  private reorder(): void {
    if (this.order === undefined) return
    const present: Array<number> = []
    for (let slot = 0; slot < this.slots; slot++) if (this.values[slot] !== absent) present.push(slot)
    this.order = UpdateOrder.of(present, this.times)
  }

  private grow(slots: number): void {
    const times = new Float64Array(slots)
    times.set(this.times.subarray(0, slots))
    this.times = times
    const loggedIn = new Int32Array(slots)
    loggedIn.set(this.loggedIn.subarray(0, slots))
    this.loggedIn = loggedIn
  }
}

const emptyMap = (): KeyedMap => {
  const map = new KeyedMap()
  map.kept = detached
  return map
}

const mapOf = (keys: ReadonlyArray<unknown>, slots: number): KeyedMap => {
  const map = emptyMap()
  map.expected = slots
  for (let slot = 0; slot < slots; slot++) map.slotOf(keys[slot])
  return map
}

/** The slots that there were and that have changed, ascending. */
const listOf = ({ count, slots, steps }: Tracking): Int32Array => {
  const all = new Int32Array(count)
  let length = 0
  for (const step of steps) for (let i = 0; i < step.length; i++) if (step[i]! < slots) all[length++] = step[i]!
  const list = ascending(all.subarray(0, length), slots)
  let distinct = 0
  for (let i = 0; i < length; i++) if (distinct === 0 || list[i] !== list[distinct - 1]) list[distinct++] = list[i]!
  return list.slice(0, distinct)
}

/** What slots of a version were, that later steps have changed. Of several changes of a slot the first one tells. */
class Since {
  private readonly version: KeyedVersion
  private readonly earlier = new Map<number, unknown>()
  private readonly seen = new Map<Changes, number>()

  constructor(version: KeyedVersion) {
    this.version = version
  }

  /** Up to now. */
  look(): ReadonlyMap<number, unknown> {
    for (let changes = this.version.away; changes !== undefined; changes = changes.to?.away) {
      const { slots, values } = changes
      for (let i = this.seen.get(changes) ?? 0; i < slots.length; i++) {
        if (!this.earlier.has(slots[i]!)) this.earlier.set(slots[i]!, values[i])
      }
      this.seen.set(changes, slots.length)
    }
    return this.earlier
  }
}
