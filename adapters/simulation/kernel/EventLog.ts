/**
 * EventLog: everything that happens in a simulated world, in order, and a running hash of it.
 *
 * Two runs with equal hashes made the same events with the same contents in the same order, and the same choices between
 * them: `mix` takes in what is chosen without being an event. The hash is two lanes of 32 bits (FNV-1a with two primes) over
 * what the events say. Observers (invariants, the trace) see an event when it happens; the log keeps only the latest, for
 * reports.
 */

/** Plain data only, so that an event prints and hashes the same on every platform. */
export interface SimulationEvent {
  /** Virtual milliseconds. */
  readonly at: number
  readonly node: string
  readonly kind: string
  readonly data: Readonly<Record<string, unknown>>
  /** For observers only; neither hashed nor printed: what `data` already says, in full. */
  readonly attached?: unknown
}

export const keptEventsMax = 200

export class EventLog {
  private high = 0x811c9dc5 | 0
  private low = 0x01234567
  private readonly observers: Array<(event: SimulationEvent) => void> = []
  private kept: Array<SimulationEvent> = []
  count = 0

  observe(observer: (event: SimulationEvent) => void): void {
    this.observers.push(observer)
  }

  record(event: SimulationEvent): void {
    this.count++
    this.mix(Math.round(event.at * 4))
    this.mixText(event.node)
    this.mixText(event.kind)
    this.mixData(event.data)
    this.kept.push(event)
    if (this.kept.length > 2 * keptEventsMax) this.kept = this.kept.slice(-keptEventsMax)
    for (const observer of this.observers) observer(event)
  }

  /** Takes a choice into the hash. */
  mix(value: number): void {
    this.high = Math.imul(this.high ^ value, 0x01000193)
    this.low = Math.imul(this.low ^ value, 0x27d4eb2d)
    this.low ^= this.low >>> 15
  }

  /** Plain data, in the order of its keys, without what `canonical` leaves out. */
  private mixData(data: unknown): void {
    if (typeof data === "string") return this.mixText(data)
    if (typeof data === "number" && (data | 0) === data) return this.mix(data)
    if (typeof data !== "object" || data === null) return this.mixText(String(data))
    if (Array.isArray(data)) {
      this.mix(data.length)
      for (const item of data) this.mixData(item)
    } else if (isPlainRecord(data)) {
      for (const key in data) {
        if (key === "stack") continue
        this.mixText(key)
        this.mixData(data[key])
      }
      this.mix(endOfRecord)
    } else {
      this.mixText(canonical(data))
    }
  }

  private mixText(text: string): void {
    let high = this.high
    let low = this.low
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      high = Math.imul(high ^ unit, 0x01000193)
      low = Math.imul(low ^ unit, 0x27d4eb2d)
    }
    this.high = high ^ text.length
    this.low = low ^ (low >>> 15)
  }

  /** The hash of all that happened so far, 16 hexadecimal digits. */
  digest(): string {
    return [this.high, this.low].map((lane) => (lane >>> 0).toString(16).padStart(8, "0")).join("")
  }

  /** The latest events, oldest first. */
  latest(count: number): ReadonlyArray<SimulationEvent> {
    return this.kept.slice(-count)
  }
}

/** One line of a trace. */
export const eventLine = (event: SimulationEvent): string =>
  `${event.at.toFixed(2).padStart(12)} ${event.node.padEnd(12)} ${event.kind.padEnd(18)} ${canonical(event.data)}`

/** Data as text: bytes by length and hash, bigints and functions by what they are. */
export const canonical = (data: unknown): string => JSON.stringify(data, replacer) ?? "undefined"

const endOfRecord = 0x7d

const isPlainRecord = (data: object): data is Record<string, unknown> => {
  const prototype = Object.getPrototypeOf(data)
  return prototype === Object.prototype || prototype === null
}

function replacer(key: string, value: unknown): unknown {
  // Stacks name files and lines, which differ between platforms.
  if (key === "stack") return undefined
  if (typeof value === "bigint") return `${value}n`
  if (typeof value === "function") return "<function>"
  if (value instanceof ArrayBuffer) return bytesText(new Uint8Array(value))
  if (value instanceof Uint8Array) return bytesText(value)
  if (value instanceof Map) return ["Map", ...value]
  return value
}

function bytesText(bytes: Uint8Array): string {
  let hash = 0x811c9dc5 | 0
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return `<${bytes.length} bytes ${(hash >>> 0).toString(16)}>`
}
