/**
 * KeyedMap: from key to slot, a small integer that grows by one with each new key, so that what belongs to a key lies in an
 * array beside the map. Keys are the same by structure (see `KeyHash`); whether a key may be one is asked only when it is new.
 * Slots are in the order in which keys first came; `keys[slot]` is the key as it first came.
 *
 * `slotOf` is the hottest call of all, so it allocates nothing for a known key:
 * - Short strings are looked up in a table of their own, with open addressing over two typed arrays. A native Map must first call
 *   into the engine to hash each freshly cut string, which costs more than all the rest of a word count.
 * - Other primitives, and long strings, are looked up in a native Map.
 * - Tuples and records are looked up by their canonical text in a Map of their own, so that no text of a user's is taken for one.
 *
 * The hash is known to all, so strings that collide can be sent on purpose. A string that finds no free place within `probesMax`
 * goes to a native Map (`crowded`), whose hash is secret: the worst that can be done is `probesMax` comparisons per lookup. Places
 * are never freed but by growing, and growing tries the crowded ones again, so a free place in a string's way means it is unknown.
 */
import { canonicalKey, hashString, isPrimitiveKey } from "./KeyHash.ts"

/** Strings of more code units are left to the native Map, which hashes long ones faster and remembers their hash. */
const shortStringMax = 24

/** How far a string may lie from its home. */
const probesMax = 32

const initialBits = 8

const asItIs = (key: unknown): unknown => key

export class KeyedMap {
  readonly keys: Array<unknown> = []
  /** What is kept of a new key: itself, unless the map outlives the batch. */
  kept: (key: unknown) => unknown = asItIs
  /** So many are to come: the table need not grow to their number step by step. */
  expected = 0
  private readonly primitives = new Map<unknown, number>()
  private readonly composites = new Map<string, number>()
  private readonly crowded = new Map<string, number>()
  /** The table: at each place a slot plus one, 0 where it is free, and the hash of that slot's key. */
  private slots = new Int32Array(1 << initialBits)
  private hashes = new Int32Array(1 << initialBits)
  private shift = 32 - initialBits
  private used = 0

  get size(): number {
    return this.keys.length
  }

  /** The slot of a key; a new key gets the next one, which is the size so far. Throws `UnhashableKey`. */
  slotOf(key: unknown): number {
    if (typeof key === "string" && key.length <= shortStringMax) {
      const { slots, hashes, keys } = this
      const hash = hashString(key)
      const mask = slots.length - 1
      let place = Math.imul(hash, 0x9e3779b1) >>> this.shift
      for (let probes = 0; probes < probesMax; probes++) {
        const slot = slots[place]! - 1
        if (slot < 0) return this.addString(key, hash)
        if (hashes[place] === hash && keys[slot] === key) return slot
        place = (place + 1) & mask
      }
      return this.crowded.get(key) ?? this.addString(key, hash)
    }
    const slot = typeof key === "object" && key !== null
      ? this.composites.get(canonicalKey(key))
      : this.primitives.get(key)
    return slot ?? this.addOther(key)
  }

  private addOther(key: unknown): number {
    const slot = this.keys.length
    const kept = this.kept(key)
    if (isPrimitiveKey(kept)) this.primitives.set(kept, slot)
    else this.composites.set(canonicalKey(kept), slot)
    this.keys.push(kept)
    return slot
  }

  private addString(key: string, hash: number): number {
    const slot = this.keys.length
    const kept = this.kept(key) as string
    this.keys.push(kept)
    if ((this.used + 1) * 2 > this.slots.length) this.grow()
    this.place(kept, hash, slot)
    return slot
  }

  private place(key: string, hash: number, slot: number): void {
    const { slots, hashes } = this
    const mask = slots.length - 1
    let place = Math.imul(hash, 0x9e3779b1) >>> this.shift
    for (let probes = 0; probes < probesMax; probes++) {
      if (slots[place] === 0) {
        slots[place] = slot + 1
        hashes[place] = hash
        this.used++
        return
      }
      place = (place + 1) & mask
    }
    this.crowded.set(key, slot)
  }

  private grow(): void {
    const { slots, hashes, keys } = this
    const crowded = [...this.crowded]
    let size = slots.length * 2
    while (size < 2 * this.expected) size *= 2
    this.slots = new Int32Array(size)
    this.hashes = new Int32Array(size)
    this.shift = Math.clz32(size) + 1
    this.used = 0
    this.crowded.clear()
    for (let place = 0; place < slots.length; place++) {
      const slot = slots[place]! - 1
      if (slot >= 0) this.place(keys[slot] as string, hashes[place]!, slot)
    }
    for (const [key, slot] of crowded) this.place(key, hashString(key), slot)
  }
}
