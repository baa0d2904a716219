/**
 * SocketReceiver: takes what a TCP server sends, connection after connection.
 *
 * | when | does |
 * | --- | --- |
 * | refused, failed, closed, no connection within `connectTimeout` | connects again after a pause, for ever |
 * | the store has no room | pauses the socket until there is, so that the server is held back |
 * | the server sends nothing | nothing; TCP's keep-alive finds out if it is gone |
 * | its framing or a store throws | reports, closes, connects again after a pause |
 *
 * The pause is `reconnectDelay`, doubled with each attempt that does not connect up to `reconnectDelayMax`. The same problem
 * is reported once until a connection was made. What had come when a connection closed is stored, the last unfinished record as
 * its framing says. Source: Spark Streaming's `SocketReceiver`.
 */
import * as net from "node:net"
import { Effect, Schema, type Scope } from "effect"
import { describeError } from "../../core/protocol/describeError.ts"
import type { Receiver, StorageLevel, Store, Survives } from "../../core/receiving/Receiver.ts"
import { storageLevelDefault } from "../../core/receiving/StorageLevel.ts"
import { type DurationInput, millisOf } from "../../core/time/Time.ts"

/** What becomes of the bytes of one connection. */
export interface Framing<A> {
  /** `bytes` may be reused afterwards. Answers whether the store has room for more. */
  readonly data: (bytes: Uint8Array, store: Store<A>) => boolean
  /** The connection is over. */
  readonly end: (store: Store<A>) => void
}

export interface SocketOptions {
  readonly host: string
  readonly port: number
  /** MEMORY_AND_DISK_2 */
  readonly storageLevel?: StorageLevel | undefined
  /** With a checkpoint place "cold": in a write-ahead log. See "what is lost when" in docs/sources.md. */
  readonly survives?: Survives | undefined
  /** 2 seconds */
  readonly reconnectDelay?: DurationInput | undefined
  /** 30 seconds */
  readonly reconnectDelayMax?: DurationInput | undefined
  /** 30 seconds */
  readonly connectTimeout?: DurationInput | undefined
  /** Host of the executor on which it would best run. */
  readonly preferredHost?: string | undefined
}

export const keepAliveMillis = 60_000
const portMax = 65_535

/** A socket cannot be what its options say. */
export class InvalidSocket extends Schema.TaggedError<InvalidSocket>()("InvalidSocket", {
  option: Schema.Literals(["host", "port"]),
  message: Schema.String
}) {}

/** Throws `InvalidSocket` where the program is built, so that `dstreams check` tells it. */
export const make = <A>(options: SocketOptions, framing: () => Framing<A>): Receiver<A, never, never> =>
  receiverOf(options, (store, timeout) => runConnection(options, framing(), store, timeout))

/** One connection, from being made to its end. */
export type RunConnection<A> = (
  store: Store<A>,
  connectTimeoutMillis: number
) => Effect.Effect<ConnectionEnd, never, Scope.Scope>

/** A receiver that makes connection after connection. Throws `InvalidSocket`. */
export const receiverOf = <A>(options: SocketOptions, run: RunConnection<A>): Receiver<A, never, never> => {
  validate(options)
  return {
    name: `SocketReceiver(${options.host}:${options.port})`,
    storageLevel: options.storageLevel ?? storageLevelDefault,
    survives: options.survives,
    preferredHost: options.preferredHost,
    onStop: Effect.void,
    onStart: (store) => receive(options, run, store)
  }
}

/** Programs are not always type-checked before they run. */
const validate = ({ host, port }: { readonly host: unknown; readonly port: unknown }): void => {
  const wrong = (option: "host" | "port", needs: string, value: unknown) => {
    const shown = typeof value === "string" ? `"${value}"` : String(value)
    throw new InvalidSocket({ option, message: `The ${option} of a socket has to be ${needs}, and is ${shown}` })
  }
  if (typeof host !== "string" || host.trim() === "") wrong("host", "a name or an address", host)
  if (!(Number.isInteger(port) && Number(port) >= 1 && Number(port) <= portMax)) {
    wrong("port", `a whole number from 1 to ${portMax}`, port)
  }
}

const receive = Effect.fnUntraced(function* <A>(options: SocketOptions, run: RunConnection<A>, store: Store<A>) {
  const delay = millisOf(options.reconnectDelay ?? "2 seconds")
  const delayMax = Math.max(delay, millisOf(options.reconnectDelayMax ?? "30 seconds"))
  const timeout = millisOf(options.connectTimeout ?? "30 seconds")
  const where = `${options.host}:${options.port}`
  let failures = 0
  let reported: string | undefined
  while (true) {
    const end = yield* Effect.scoped(run(store, timeout))
    failures = end.wasConnected ? 0 : failures + 1
    if (end.wasConnected) reported = undefined
    const pause = Math.min(delayMax, delay * 2 ** Math.max(0, Math.min(failures, 30) - 1))
    const message = end.wasConnected ? `Connection to ${where} closed` : `Error connecting to ${where}`
    const problem = `${message}: ${end.reason}`
    if (problem !== reported) store.reportError(`${message}; trying again after ${pause} ms`, end.reason)
    reported = problem
    yield* Effect.sleep(pause)
  }
})

export interface ConnectionEnd {
  readonly wasConnected: boolean
  readonly reason: string
}

const runConnection = Effect.fnUntraced(function* <A>(
  options: SocketOptions,
  framing: Framing<A>,
  store: Store<A>,
  timeoutMillis: number
) {
  const connection = yield* Effect.acquireRelease(
    Effect.sync(() => new Connection(options, framing, store)),
    (connection) => Effect.sync(() => connection.destroy())
  )
  const connected = yield* Effect.timeoutOption(connection.changed, timeoutMillis)
  if (connected._tag === "None") connection.close(`no connection within ${timeoutMillis} ms`)
  while (connection.state !== "closed") {
    if (connection.state === "paused") {
      yield* store.ready
      connection.resume()
    }
    yield* connection.changed
  }
  const end: ConnectionEnd = { wasConnected: connection.wasConnected, reason: connection.reason }
  return end
})

/** A name with several addresses fails with an error for each, and no words of its own. */
export const oneOf = (error: Error): unknown => error instanceof AggregateError ? error.errors[0] ?? error : error

/** One socket. Its callbacks store at once; the receiver's fiber is woken only when the state changes. */
class Connection<A> {
  state: "connecting" | "open" | "paused" | "closed" = "connecting"
  wasConnected = false
  reason = "closed by the server"
  private told: Connection<A>["state"] = "connecting"
  private wake: (() => void) | undefined
  private readonly socket: net.Socket
  private readonly framing: Framing<A>
  private readonly store: Store<A>

  constructor(options: SocketOptions, framing: Framing<A>, store: Store<A>) {
    this.framing = framing
    this.store = store
    this.socket = net.connect({ host: options.host, port: options.port })
    this.socket.on("connect", () => {
      this.wasConnected = true
      this.socket.setKeepAlive(true, keepAliveMillis)
      this.become("open")
    })
    this.socket.on("data", (bytes) => this.guard(() => this.framing.data(bytes, this.store)))
    this.socket.on("error", (error) => void (this.reason = describeError(oneOf(error))))
    this.socket.on("close", () => this.close(this.reason))
  }

  /** Waits until the state is another than the one last waited for. */
  readonly changed: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const tell = () => {
      this.wake = undefined
      this.told = this.state
      resume(Effect.void)
    }
    if (this.state !== this.told) return tell()
    this.wake = tell
    return Effect.sync(() => void (this.wake = undefined))
  })

  resume(): void {
    if (this.state !== "paused") return
    this.state = "open"
    this.told = "open"
    this.socket.resume()
  }

  /** Stores what is left. */
  close(reason: string): void {
    if (this.state === "closed") return
    this.reason = reason
    if (this.wasConnected) this.guard(() => (this.framing.end(this.store), true))
    this.destroy()
    this.become("closed")
  }

  /** Ends it without a word: nothing is stored any more. */
  destroy(): void {
    this.socket.removeAllListeners("data")
    this.socket.removeAllListeners("close")
    this.socket.destroy()
  }

  private become(state: Connection<A>["state"]): void {
    this.state = state
    this.wake?.()
  }

  private guard(work: () => boolean): void {
    try {
      if (work() || this.state !== "open") return
      this.socket.pause()
      this.become("paused")
    } catch (error) {
      this.reason = describeError(error)
      this.store.reportError("What a socket delivered could not be stored", error)
      this.destroy()
      this.become("closed")
    }
  }
}
