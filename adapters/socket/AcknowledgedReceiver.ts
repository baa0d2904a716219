/**
 * AcknowledgedReceiver: takes numbered lines of a server that keeps them until they are acknowledged.
 *
 * The receiver connects; both sides speak in lines of UTF-8, ended by "\n":
 *
 * | who | says | means |
 * | --- | --- | --- |
 * | server | `SOURCE name` | whose numbers these are: 1 to 200 characters without spaces. Who begins its numbers anew takes another name |
 * | receiver | `FROM n` | all lines below n are stored; send those from n on, as far as they are there |
 * | server | `n line` | line n; numbers are whole, from 0 on, and grow. Numbers may be left out |
 * | receiver | `ACK n` | all lines up to n are stored; only where blocks were lost they are asked for again |
 *
 * A line is acknowledged when its block is as safe as the receiver's blocks are made. After a lost connection, receiver, executor or
 * driver the next FROM says how far the lines are stored, acknowledged or not: the server goes on there, and each line is received
 * once. Lines that come while a block is being stored make the next one; when too many wait, the socket is paused.
 */
import * as net from "node:net"
import { Effect, Result } from "effect"
import { sourceNameMax } from "../../core/blocks/HighWaterMarks.ts"
import { describeError } from "../../core/protocol/describeError.ts"
import type { Receiver, Store } from "../../core/receiving/Receiver.ts"
import { type DurationInput, millisOf } from "../../core/time/Time.ts"
import * as LineFramer from "./LineFramer.ts"
import { type ConnectionEnd, keepAliveMillis, oneOf, receiverOf, type SocketOptions } from "./SocketReceiver.ts"
import { maxLineBytesDefault } from "./textFraming.ts"

export interface AcknowledgedOptions extends SocketOptions {
  /** Longest line in bytes; a longer one is dropped, reported, and acknowledged with the next. 1 MiB. */
  readonly maxLineBytes?: number | undefined
  /** Least time between two blocks: what comes meanwhile is stored together. 100 milliseconds */
  readonly gatherInterval?: DurationInput | undefined
}

/** Of lines that wait to be stored; beyond, the socket is paused. */
const waitingBytesMax = 8 * 1024 * 1024
/** Number and space before a line. */
const numberBytes = 17

/** Throws `InvalidSocket`. */
export const make = (options: AcknowledgedOptions): Receiver<string, never, never> =>
  receiverOf<string>(options, (store, timeout) => runConnection(options, store, timeout))

const runConnection = Effect.fnUntraced(function* (
  options: AcknowledgedOptions,
  store: Store<string>,
  timeoutMillis: number
) {
  const gatherMillis = millisOf(options.gatherInterval ?? "100 millis")
  const connection = yield* Effect.acquireRelease(
    Effect.sync(() => new Connection(options, store)),
    (connection) => Effect.sync(() => connection.close("the receiver has ended"))
  )
  const greeting = yield* Effect.timeoutOption(connection.greeting, timeoutMillis)
  if (greeting._tag === "None") connection.close(`no connection and no SOURCE within ${timeoutMillis} ms`)
  const { source } = connection
  if (source !== undefined) yield* receive(connection, source, store, gatherMillis)
  return connection.end()
})

const receive = Effect.fnUntraced(function* (
  connection: Connection,
  source: string,
  store: Store<string>,
  gatherMillis: number
) {
  connection.begin(store.highWaterMark(source) ?? -1)
  while (true) {
    const taken = yield* connection.take
    if (taken === undefined) return
    const { from, lines, to } = taken
    yield* store.ready
    const stored = yield* Effect.result(store.array(lines, { range: { source, from, to } }))
    if (Result.isFailure(stored)) {
      store.reportError(`Lines ${from} to ${to} of source "${source}" could not be stored`, stored.failure)
      return connection.close("what it sent could not be stored")
    }
    connection.write(`ACK ${to}`)
    yield* Effect.sleep(gatherMillis)
  }
})

interface Taken {
  readonly lines: ReadonlyArray<string>
  readonly from: number
  readonly to: number
}

/** One socket. Its callbacks only cut lines and keep them; the receiver's fiber is woken when there is something new. */
class Connection {
  source: string | undefined
  private state: "connecting" | "greeting" | "open" | "closed" = "connecting"
  private wasConnected = false
  private reason = "closed by the server"
  private waiting: Array<string> = []
  private waitingBytes = 0
  private first = 0
  /** The highest number that came, or was stored before. */
  private last = -1
  private stored = -1
  private paused = false
  private dropped = 0
  private wake: (() => void) | undefined
  private readonly socket: net.Socket
  private readonly framer: LineFramer.LineFramer
  private readonly maxLineBytes: number
  private readonly store: Pick<Store<string>, "reportError">

  constructor(options: AcknowledgedOptions, store: Pick<Store<string>, "reportError">) {
    this.store = store
    this.maxLineBytes = options.maxLineBytes ?? maxLineBytesDefault
    this.framer = LineFramer.make(this.maxLineBytes + numberBytes)
    this.socket = net.connect({ host: options.host, port: options.port })
    this.socket.on("connect", () => {
      this.wasConnected = true
      this.state = "greeting"
      this.socket.setKeepAlive(true, keepAliveMillis)
    })
    this.socket.on("data", (bytes) => this.data(bytes))
    this.socket.on("error", (error) => void (this.reason = describeError(oneOf(error))))
    this.socket.on("close", () => this.close(this.reason))
  }

  /** Until the server has said who it is, or the connection is closed. */
  readonly greeting: Effect.Effect<void> = this.until(() => this.source !== undefined)

  /** The lines that wait; undefined: there will be none. */
  readonly take: Effect.Effect<Taken | undefined> = Effect.map(this.until(() => this.waiting.length > 0), () => {
    if (this.state === "closed") return undefined
    const taken = { lines: this.waiting, from: this.first, to: this.last }
    this.waiting = []
    this.waitingBytes = 0
    if (this.paused) this.socket.resume()
    this.paused = false
    return taken
  })

  /** All up to `stored` is stored. */
  begin(stored: number): void {
    if (this.state === "greeting") this.state = "open"
    this.stored = stored
    this.last = stored
    this.write(`FROM ${stored + 1}`)
  }

  write(line: string): void {
    if (this.state !== "closed") this.socket.write(`${line}\n`)
  }

  /** What waits is given up: it was not acknowledged. */
  close(reason: string): void {
    if (this.state === "closed") return
    this.reason = reason
    this.state = "closed"
    this.socket.removeAllListeners("data")
    this.socket.removeAllListeners("close")
    this.socket.destroy()
    if (this.dropped > 0) this.store.reportError(`On this connection ${this.dropped} lines were too long and dropped`)
    this.wake?.()
  }

  end(): ConnectionEnd {
    return { wasConnected: this.wasConnected, reason: this.reason }
  }

  private until(holds: () => boolean): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const look = () => {
        if (this.state !== "closed" && !holds()) return
        this.wake = undefined
        resume(Effect.void)
      }
      this.wake = look
      look()
      return Effect.sync(() => void (this.wake = undefined))
    })
  }

  private data(bytes: Uint8Array): void {
    const framed = this.framer.push(bytes)
    if (framed.dropped > 0 && this.dropped === 0) {
      const remedy = "raise maxLineBytes to keep such lines"
      this.store.reportError(`A line of more than ${this.maxLineBytes} bytes was dropped; ${remedy}`)
    }
    this.dropped += framed.dropped
    if (framed.bytes === undefined) return
    const wrong = this.accept(LineFramer.decodeLines(framed.bytes))
    if (wrong !== undefined) {
      this.store.reportError(`What a server of acknowledged lines sent is not understood: ${wrong}`)
      return this.close(wrong)
    }
    this.waitingBytes += framed.bytes.byteLength
    if (this.waitingBytes > waitingBytesMax && this.waiting.length > 0 && !this.paused) {
      this.paused = true
      this.socket.pause()
    }
    this.wake?.()
  }

  /** What is wrong with them. */
  private accept(lines: ReadonlyArray<string>): string | undefined {
    let rest = lines
    if (this.source === undefined) {
      const [, name] = sourceLine.exec(lines[0]!) ?? []
      if (name === undefined) return `it has to begin with SOURCE and a name, not with ${shown(lines[0]!)}`
      this.source = name
      rest = lines.slice(1)
    }
    if (this.state !== "open" && rest.length > 0) return "lines came before they were asked for with FROM"
    for (const line of rest) {
      const [start] = numbered.exec(line) ?? []
      const number = start === undefined ? NaN : Number(start)
      if (!Number.isSafeInteger(number)) {
        return `a line has to begin with its number and a space, not with ${shown(line)}`
      }
      if (number <= this.stored) continue
      if (number <= this.last) return `line ${number} came after line ${this.last}: numbers have to grow`
      if (this.waiting.length === 0) this.first = number
      this.waiting.push(line.slice(start!.length))
      this.last = number
    }
    return undefined
  }
}

const sourceLine = new RegExp(`^SOURCE (\\S{1,${sourceNameMax}})$`, "u")
const numbered = /^\d{1,16} /

const shown = (line: string): string => JSON.stringify(line.length > 40 ? `${line.slice(0, 40)}...` : line)
