/**
 * UpdateOrder: the slots of a keyed state from the one whose key was updated longest ago to the one updated last, so that what is due
 * by time is found without looking at anything else. A doubly linked ring over two typed arrays; place 0 is its head, slot s has
 * place s + 1. Times only grow, so a slot that is touched goes to the end; slots of one time stand in no particular order.
 */
const unlinked = -1
const initialPlaces = 256

export class UpdateOrder {
  private before = new Int32Array(initialPlaces).fill(unlinked)
  private after = new Int32Array(initialPlaces).fill(unlinked)

  constructor() {
    this.before[0] = this.after[0] = 0
  }

  /** The slot is the one updated last. */
  touch(slot: number): void {
    const place = slot + 1
    if (place >= this.before.length) this.grow(place)
    const { after, before } = this
    if (before[place] !== unlinked) this.unlink(place)
    const last = before[0]!
    after[last] = place
    before[place] = last
    after[place] = 0
    before[0] = place
  }

  drop(slot: number): void {
    const place = slot + 1
    if (place >= this.before.length || this.before[place] === unlinked) return
    this.unlink(place)
    this.before[place] = this.after[place] = unlinked
  }

  /** The slots whose time is before `threshold`, in slot order. */
  dueBefore(threshold: number, times: Float64Array): ReadonlyArray<number> {
    const due: Array<number> = []
    for (let place = this.after[0]!; place !== 0 && times[place - 1]! < threshold; place = this.after[place]!) {
      due.push(place - 1)
    }
    return due.sort((a, b) => a - b)
  }

  /** As if the slots had been touched in the order of their times. */
  static of(slots: ReadonlyArray<number>, times: Float64Array): UpdateOrder {
    const order = new UpdateOrder()
    const byTime = new Map<number, Array<number>>()
    for (const slot of slots) {
      const same = byTime.get(times[slot]!)
      if (same === undefined) byTime.set(times[slot]!, [slot])
      else same.push(slot)
    }
    for (const [, same] of [...byTime].sort(([a], [b]) => a - b)) for (const slot of same) order.touch(slot)
    return order
  }

  private unlink(place: number): void {
    const { after, before } = this
    const earlier = before[place]!
    const later = after[place]!
    after[earlier] = later
    before[later] = earlier
  }

  private grow(place: number): void {
    const size = Math.max(place + 1, this.before.length * 2)
    const grown = (old: Int32Array) => {
      const wide = new Int32Array(size).fill(unlinked, old.length)
      wide.set(old)
      return wide
    }
    this.before = grown(this.before)
    this.after = grown(this.after)
  }
}
