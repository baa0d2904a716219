/**
 * TimerQueue: what is due when, as a binary heap by time, then by order of adding.
 */

interface Timer {
  readonly at: number
  readonly order: number
  wake: (() => void) | undefined
}

export class TimerQueue {
  private readonly heap: Array<Timer> = []
  private added = 0

  /** The answer cancels the timer. */
  add(at: number, wake: () => void): () => void {
    const timer: Timer = { at, order: this.added++, wake }
    this.heap.push(timer)
    this.rise(this.heap.length - 1)
    return () => {
      timer.wake = undefined
    }
  }

  /** The time of the next timer. */
  nextAt(): number | undefined {
    while (this.heap.length > 0 && this.heap[0]!.wake === undefined) this.pop()
    return this.heap[0]?.at
  }

  /** Takes all timers that are due at `at`, in order of adding. */
  takeDue(at: number): Array<() => void> {
    const due: Array<() => void> = []
    while (this.heap.length > 0 && this.heap[0]!.at <= at) {
      const { wake } = this.pop()
      if (wake !== undefined) due.push(wake)
    }
    return due
  }

  private pop(): Timer {
    const top = this.heap[0]!
    const last = this.heap.pop()!
    if (this.heap.length > 0) {
      this.heap[0] = last
      this.sink(0)
    }
    return top
  }

  private rise(start: number): void {
    let index = start
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(this.heap[index]!, this.heap[parent]!)) return
      this.swap(index, parent)
      index = parent
    }
  }

  private sink(start: number): void {
    let index = start
    while (true) {
      const left = 2 * index + 1
      if (left >= this.heap.length) return
      const right = left + 1
      const child = right < this.heap.length && isBefore(this.heap[right]!, this.heap[left]!) ? right : left
      if (!isBefore(this.heap[child]!, this.heap[index]!)) return
      this.swap(index, child)
      index = child
    }
  }

  private swap(i: number, j: number): void {
    const held = this.heap[i]!
    this.heap[i] = this.heap[j]!
    this.heap[j] = held
  }
}

const isBefore = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
