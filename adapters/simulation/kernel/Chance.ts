/**
 * Chance: the simulation's own source of chance, the same on every platform.
 *
 * sfc32: 32-bit integer arithmetic only. A stream is made of a seed and a purpose, so that drawing more for one purpose
 * (message delays, say) does not move what another (the choice among ready fibers) draws.
 */
import type { Random } from "effect"

export class Chance {
  private readonly seed: number
  private readonly path: string
  private a: number
  private b: number
  private c: number
  private counter = 1

  constructor(seed: number, path = "") {
    this.seed = seed | 0
    this.path = path
    this.a = this.seed
    this.b = textHash(path)
    this.c = 0x9e3779b9 | 0
    for (let i = 0; i < 12; i++) this.next()
  }

  /** A stream of its own: a function of seed and purpose, whatever was drawn here before. */
  split(purpose: string): Chance {
    return new Chance(this.seed, `${this.path}/${purpose}`)
  }

  /** An unsigned integer of 32 bits. */
  next(): number {
    const t = (((this.a + this.b) | 0) + this.counter) | 0
    this.counter = (this.counter + 1) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = (this.c << 21) | (this.c >>> 11)
    this.c = (this.c + t) | 0
    return t >>> 0
  }

  /** An integer, 0 <= i < count. */
  below(count: number): number {
    return Math.floor(this.next() / 4294967296 * count)
  }

  /** An integer from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1)
  }

  /** True with this probability. */
  coin(probability: number): boolean {
    return probability > 0 && this.next() < probability * 4294967296
  }

  pick<A>(items: ReadonlyArray<A>): A {
    if (items.length === 0) throw new Error("Chance.pick needs at least one item to pick from")
    return items[this.below(items.length)]!
  }

  /** `count` different items, in the order in which they stand. */
  some<A>(items: ReadonlyArray<A>, count: number): Array<A> {
    const taken: Array<A> = []
    let wanted = Math.min(count, items.length)
    for (let i = 0; i < items.length && wanted > 0; i++) {
      if (this.below(items.length - i) < wanted) {
        taken.push(items[i]!)
        wanted--
      }
    }
    return taken
  }

  /** Effect's Random service over this stream. */
  get service(): Random.Random {
    return {
      nextDoubleUnsafe: () => (this.next() * 2097152 + (this.next() >>> 11)) / 9007199254740992,
      nextIntUnsafe: () => (this.next() - 2147483648) * 2097152 + (this.next() >>> 11)
    }
  }
}

/** FNV-1a of a text's UTF-16 code units, 32 bits. */
export function textHash(text: string): number {
  let hash = 0x811c9dc5 | 0
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}
