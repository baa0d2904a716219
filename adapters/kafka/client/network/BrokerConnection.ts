/**
 * BrokerConnection: one connection to one broker, that carries one request at a time: a broker answers in order, so what waits there for new records
 * must not hold up others. Requests and answers are encoded by the package, bytes are moved here: into a buffer for each answer, over one that
 * the socket reads into again and again, which costs a third of what chunks cost that are allocated anew (Node).
 *
 * It ends with whatever goes wrong: an answer that is late or cannot be read, an interruption while one is awaited, a connection that is
 * lost. Then it is closed, and another is opened for the next request. So it is when its SASL session comes to an end. While no request is under
 * way it does not keep the process alive.
 */
import { Buffer } from "node:buffer"
import * as net from "node:net"
import * as tls from "node:tls"
import type { API, Connection } from "@platformatic/kafka"
import { Effect } from "effect"
import { describeError } from "../../../../core/protocol/describeError.ts"
import { KafkaError } from "../../KafkaError.ts"
import { authenticate, noToken, saslSecretsOf } from "./authenticate.ts"
import { kafkaError, type Subject } from "./codes.ts"
import { connectFailure, ConnectionLost, lateAnswer, requestFailure } from "./failure.ts"
import { Frames } from "./frames.ts"
import type { Client, Package } from "./platformatic.ts"
import { type Address, type Settings, showAddress, tlsOptionsOf } from "./settings.ts"

const readBytes = 64 * 1024
/** A peer that is gone without a word is found out. */
const keepAliveMillis = 30_000
const headBytes = 8

interface Waiting {
  readonly correlation: number
  readonly answered: (frame: Buffer) => void
  readonly failed: (error: unknown) => void
}

export class BrokerConnection {
  private readonly kafka: Package
  private readonly clientId: string
  private readonly broker: string
  private readonly socket: net.Socket
  private correlation = 0
  private waiting: Waiting | undefined
  /** Why it ended. */
  private failure: unknown
  private hasEnded = false
  private isConnected = false
  /** By `performance.now`: its session is about to end then. */
  private usableUntil = Infinity

  constructor(kafka: Package, address: Address, settings: Settings) {
    this.kafka = kafka
    this.clientId = settings.clientId
    this.broker = showAddress(address)
    const frames = new Frames((frame) => this.take(frame), (complaint) => this.end(new NotUnderstood(complaint)))
    this.socket = connectSocket(address, settings, (chunk) => frames.take(chunk))
    // Whoever waits for it may begin to wait when it has come already.
    this.socket.once(connectedEvent(this.socket), () => this.isConnected = true)
    this.socket.on("error", (error) => this.end(error))
    this.socket.on("close", () => this.end(new ConnectionLost("the broker closed it")))
  }

  get isOpen(): boolean {
    return !this.hasEnded && performance.now() < this.usableUntil
  }

  /** What the package's requests call of a connection of its own. */
  readonly send: Connection["send"] = (key, version, createPayload, parse, hasTags, answerHasTags, done) => {
    const correlation = this.correlation = this.correlation + 1 & 0x7fffffff
    const answered = (frame: Buffer) => {
      const reader = this.kafka.Reader.from(frame.subarray(headBytes))
      if (answerHasTags) reader.readTaggedFields()
      done(null, parse(correlation, key, version, reader) as Awaited<ReturnType<typeof parse>>)
    }
    if (this.hasEnded) return done(this.failure as Error)
    const writer = this.kafka.Writer.create().appendInt16(key).appendInt16(version).appendInt32(correlation)
      .appendString(this.clientId, false)
    if (hasTags) writer.appendTaggedFields()
    writer.appendFrom(createPayload() as ReturnType<Package["Writer"]["create"]>).prependLength()
    this.waiting = { correlation, answered, failed: (error) => done(error as Error) }
    this.socket.write(writer.buffer)
  }

  private take(frame: Buffer): void {
    const { waiting } = this
    if (waiting === undefined || frame.readInt32BE(4) !== waiting.correlation) {
      return this.end(new NotUnderstood("it answered what it was not asked"))
    }
    this.waiting = undefined
    try {
      waiting.answered(frame)
    } catch (error) {
      waiting.failed(error)
    }
  }

  /** The answer, whatever error codes are in it. Interrupted, it is not known whether the request was carried out. */
  request<Arguments extends Array<unknown>, Answer>(
    api: API<Arguments, Answer>,
    values: Arguments,
    subject: Subject,
    limitMillis: number
  ): Effect.Effect<Answer, KafkaError> {
    const answer = Effect.callback<Answer, KafkaError>((resume) => {
      this.socket.ref()
      api(this.asConnection, ...values, (error: Error | null, answer?: Answer) => {
        this.socket.unref()
        const known = error === null ? answer : answerIn<Answer>(error)
        if (known !== undefined) return resume(Effect.succeed(known))
        this.end(error)
        resume(Effect.fail(this.failureOf(error, subject)))
      })
      return Effect.sync(() => this.end(new ConnectionLost("it was interrupted")))
    })
    return Effect.timeoutOrElse(answer, {
      duration: limitMillis,
      orElse: () => Effect.fail(lateAnswer(this.broker, subject, limitMillis))
    })
  }

  private failureOf(error: unknown, subject: Subject): KafkaError {
    return error instanceof NotUnderstood
      ? kafkaError("Damaged", subject, `${this.broker} is not understood: ${error.message}`)
      : requestFailure(error, this.broker, subject)
  }

  /** The package knows a class of its own, and uses `send` of it. */
  private get asConnection(): Connection {
    return this as unknown as Connection
  }

  /** Whoever waits for an answer is told that there is none. */
  end(failure: unknown): void {
    if (this.hasEnded) return
    this.hasEnded = true
    this.failure = failure
    this.socket.destroy()
    this.waiting?.failed(failure)
    this.waiting = undefined
  }

  /** Waits for the socket, and for TLS. */
  private get connected(): Effect.Effect<void, unknown> {
    return Effect.callback((resume) => {
      if (this.hasEnded) return resume(Effect.fail(this.failure))
      if (this.isConnected) return resume(Effect.void)
      this.socket.once(connectedEvent(this.socket), () => resume(Effect.void))
      this.socket.once("close", () => resume(Effect.fail(this.failure)))
    })
  }

  static readonly open = Effect.fnUntraced(function* (client: Client, address: Address, settings: Settings) {
    const broker = showAddress(address)
    const { connectMillis } = settings
    let connection: BrokerConnection | undefined
    const opened = Effect.gen(function* () {
      const sasl = settings.sasl === undefined ? undefined : yield* saslSecretsOf(settings.sasl, broker)
      const made = connection = yield* Effect.try({
        try: () => new BrokerConnection(client.package, address, settings),
        catch: (error) => settings.tls === undefined ? error : badTls(error)
      })
      yield* made.connected
      const lifetime = sasl === undefined ? 0 : yield* authenticate(client.package, made.asConnection, sasl)
      // Left before it ends, with time for a request.
      if (lifetime > 0) made.usableUntil = performance.now() + 0.8 * lifetime
      made.socket.unref()
      return made
    })
    return yield* Effect.timeoutOrElse(opened, {
      duration: connectMillis,
      orElse: () =>
        Effect.fail(
          connection === undefined
            ? noToken(broker, `sasl.token gave none within ${connectMillis} ms`)
            : new ConnectionLost(`not connected within ${connectMillis} ms`)
        )
    }).pipe(
      Effect.mapError((error) => {
        if (error instanceof KafkaError) return error
        return connection?.failure instanceof NotUnderstood
          ? connection.failureOf(connection.failure, { request: "connect" })
          : connectFailure(error, broker, settings)
      }),
      Effect.onError(() => Effect.sync(() => connection?.end(new ConnectionLost("it was not opened"))))
    )
  })
}

const connectedEvent = (socket: net.Socket): string => socket instanceof tls.TLSSocket ? "secureConnect" : "connect"

/** A peer that does not speak as brokers do. */
class NotUnderstood extends Error {}

/** The package throws for error codes in an answer, and has the answer with it. */
const answerIn = <Answer>(error: unknown): Answer | undefined =>
  (error as { readonly code?: unknown }).code === "PLT_KFK_RESPONSE"
    ? (error as { readonly response?: Answer }).response
    : undefined

const connectSocket = ({ host, port }: Address, settings: Settings, onChunk: (chunk: Buffer) => void): net.Socket => {
  const common = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMillis }
  if (settings.tls !== undefined) return tls.connect({ ...common, ...tlsOptionsOf(settings.tls) }).on("data", onChunk)
  const buffer = Buffer.allocUnsafeSlow(readBytes)
  const callback = (count: number) => {
    onChunk(buffer.subarray(0, count))
    return true
  }
  return net.connect({ ...common, onread: { buffer, callback } })
}

const badTls = (error: unknown): KafkaError =>
  kafkaError(
    "Options",
    { request: "connect" },
    `The connection's tls cannot be used (${
      describeError(error)
    }): ca, certificate and key are texts in PEM, and the key that of the certificate`
  )
