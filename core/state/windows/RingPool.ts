/**
 * RingPool: rings of 2^bits places for values, many of them in few arrays, and what a step changed in them.
 *
 * A ring lies in one page; a page has rings of one size: many small ones, or one that is as long as it has to be. So no array
 * grows, and a step allocates nothing once the rings are as long as they have to be.
 *
 * - What a write overwrites is logged until the step ends; `rollback` puts it back. Rings that a step leaves are free once it is
 *   committed, those that it took once it is rolled back.
 * - `capture` shares all pages; the first write to a shared page copies it. So a capture costs next to nothing, and a step that
 *   follows copies what it writes to, as it comes to it; nothing any more once all captures were closed.
 */
import { grownIntegers } from "./slotColumns.ts"

/** Places of a page of small rings. */
const pageBits = 12
const pageMask = (1 << pageBits) - 1

/** A ring has at least 2^bits places. */
const bitsMin = 2

/** Which page a ring lies in, and from where: `page << pageBits | from`. */
export type Ring = number

/** Of a ring with room for so many values. */
export const bitsFor = (size: number): number => Math.max(bitsMin, 32 - Math.clz32(size - 1))

type Pages = ReadonlyArray<Array<unknown>>

const read = (pages: Pages, ring: Ring, place: number): unknown => pages[ring >>> pageBits]![(ring & pageMask) + place]

/** What the rings had when they were captured. */
export interface CapturedRings {
  readonly read: (ring: Ring, place: number) => unknown
  /** Nothing is read any more. */
  readonly close: () => void
}

export class RingPool {
  private readonly pages: Array<Array<unknown>> = []
  /** By bits, rings that are free. */
  private readonly free: Array<Array<Ring>> = Array.from({ length: 31 }, () => [])
  /** By page, 1 where a capture may read it. */
  private shared = new Uint8Array(64)
  private captures = 0

  /** Of each write of this step, the page, the place in it, and what was there. */
  private written = 0
  private writtenAt: Int32Array = new Int32Array(0)
  private readonly overwritten: Array<unknown> = []
  /** Rings that this step took, and that it left: each ring and its bits. */
  private readonly taken: Array<number> = []
  private readonly left: Array<number> = []

  read(ring: Ring, place: number): unknown {
    return this.pages[ring >>> pageBits]![(ring & pageMask) + place]
  }

  /** Writes where nothing is that a rollback needs. */
  add(ring: Ring, place: number, value: unknown): void {
    const page = ring >>> pageBits
    if (this.shared[page] === 1) this.copy(page)
    this.pages[page]![(ring & pageMask) + place] = value
  }

  write(ring: Ring, place: number, value: unknown): void {
    const page = ring >>> pageBits
    const index = (ring & pageMask) + place
    if (this.shared[page] === 1) this.copy(page)
    const places = this.pages[page]!
    const at = this.written * 2
    if (at === this.writtenAt.length) this.writtenAt = grownIntegers(this.writtenAt, at + 2)
    this.writtenAt[at] = page
    this.writtenAt[at + 1] = index
    this.overwritten[this.written++] = places[index]
    places[index] = value
  }

  take(bits: number): Ring {
    const ring = this.free[bits]!.pop() ?? this.addPage(bits)
    this.taken.push(ring, bits)
    return ring
  }

  leave(ring: Ring, bits: number): void {
    this.left.push(ring, bits)
  }

  commit(): void {
    this.release(this.left)
    this.endStep()
  }

  rollback(): void {
    for (let i = this.written - 1; i >= 0; i--) {
      this.pages[this.writtenAt[i * 2]!]![this.writtenAt[i * 2 + 1]!] = this.overwritten[i]
    }
    this.release(this.taken)
    this.endStep()
  }

  /** Between steps. */
  capture(): CapturedRings {
    const pages = this.pages.slice()
    this.shared.fill(1, 0, pages.length)
    this.captures++
    let isOpen = true
    return {
      read: (ring, place) => read(pages, ring, place),
      close: () => {
        if (isOpen && --this.captures === 0) this.shared.fill(0)
        isOpen = false
      }
    }
  }

  private addPage(bits: number): Ring {
    const page = this.pages.length
    if (page === this.shared.length) {
      const shared = new Uint8Array(page * 2)
      shared.set(this.shared)
      this.shared = shared
    }
    this.pages.push(Array.from({ length: 1 << Math.max(bits, pageBits) }, () => 0))
    const first = page << pageBits
    for (let from = (1 << pageBits) - (1 << bits); from > 0; from -= 1 << bits) this.free[bits]!.push(first | from)
    return first
  }

  private copy(page: number): void {
    this.pages[page] = this.pages[page]!.slice()
    this.shared[page] = 0
  }

  private release(rings: ReadonlyArray<number>): void {
    for (let i = 0; i < rings.length; i += 2) {
      const ring = rings[i]!
      const bits = rings[i + 1]!
      const page = ring >>> pageBits
      if (this.shared[page] === 1) this.copy(page)
      this.pages[page]!.fill(0, ring & pageMask, (ring & pageMask) + (1 << bits))
      this.free[bits]!.push(ring)
    }
  }

  private endStep(): void {
    // Filled rather than cut off, so that it need not grow again in each step; old values are not held.
    this.overwritten.fill(0, 0, this.written)
    this.written = 0
    this.taken.length = 0
    this.left.length = 0
  }
}
