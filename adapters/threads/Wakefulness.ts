/**
 * Wakefulness: keeps a thread's event loop turning for a moment after it has sent something, so that an answer that comes at once finds
 * it awake. To put a thread to sleep and to wake it takes some 100 microseconds, many times what a small task takes.
 *
 * Where no answer comes within `awakeMillis`, the thread sleeps as ever, and rests for more and more of what it sends next: whoever waits
 * for long tasks, or has fewer processors than threads, hardly ever stays awake for nothing.
 */
import { performance } from "node:perf_hooks"

/** What the other side commonly takes to answer a small message; two threads pass one on in a tenth of it. */
const awakeMillis = 0.3
/** After so many messages, at most, it is tried again. */
const restMax = 64

/** The event loop: what comes next in it, and milliseconds that only grow. */
export interface Loop {
  readonly soon: (work: () => void) => void
  readonly now: () => number
}

const ownLoop: Loop = { soon: setImmediate, now: () => performance.now() }

export class Wakefulness {
  private readonly loop: Loop
  private until = 0
  private isAwake = false
  private isTurning = false
  private rest = 0
  private resting = 0

  constructor(loop: Loop = ownLoop) {
    this.loop = loop
  }

  /** Something was sent, and an answer may come at once. */
  sent(): void {
    if (this.resting > 0) return void this.resting--
    this.until = this.loop.now() + awakeMillis
    this.isAwake = true
    if (this.isTurning) return
    this.isTurning = true
    this.loop.soon(this.turn)
  }

  /** Something has come. */
  heard(): void {
    if (this.isAwake) this.rest = 0
    this.isAwake = false
  }

  private readonly turn = (): void => {
    if (this.isAwake && this.loop.now() < this.until) return this.loop.soon(this.turn)
    this.isTurning = false
    if (!this.isAwake) return
    this.isAwake = false
    this.resting = this.rest = Math.min(restMax, 2 * this.rest + 1)
  }
}

/** Of this thread. */
export const wakefulness = new Wakefulness()
