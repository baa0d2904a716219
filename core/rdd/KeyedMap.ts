/**
 * KeyedMap: from key to slot, a small integer that grows by one with each new key, so that what belongs to a key lies in an
 * array beside the map. Keys are the same by structure (see `KeyHash`).
 *
 * For the hottest loop: a key that is already known costs one lookup in a native Map and no allocation; whether a key may be one
 * is asked only when it is new. Tuples and records are looked up by their canonical text in a Map of their own, so that no text
 * of a user's can be taken for one. Order is the order in which keys first came; `keys[slot]` is the key as it first came.
 */
import { canonicalKey, isPrimitiveKey } from "./KeyHash.ts"

export class KeyedMap {
  readonly keys: Array<unknown> = []
  private readonly primitives = new Map<unknown, number>()
  private readonly composites = new Map<string, number>()

  get size(): number {
    return this.keys.length
  }

  /** The slot of a key, undefined for one that is not known. */
  find(key: unknown): number | undefined {
    return typeof key === "object" && key !== null ? this.composites.get(canonicalKey(key)) : this.primitives.get(key)
  }

  /** A slot for a key that `find` does not know. Throws `UnhashableKey`. */
  add(key: unknown): number {
    const slot = this.keys.length
    if (isPrimitiveKey(key)) this.primitives.set(key, slot)
    else this.composites.set(canonicalKey(key), slot)
    this.keys.push(key)
    return slot
  }
}
