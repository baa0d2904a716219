/**
 * BrokerConnection: one connection to one broker, that carries one request at a time: a broker answers in order, so what waits there for new records
 * must not hold up others.
 *
 * It ends with whatever goes wrong: an answer that is late or cannot be read, an interruption while one is awaited, a connection that is
 * lost. Then it is closed, and another is opened for the next request. So it does when its SASL session comes to an end. While no request is under way it does
 * not keep the process alive.
 */
import type { API, Connection, SASLOptions } from "@platformatic/kafka"
import { Effect, Redacted } from "effect"
import { describeError } from "../../../../core/protocol/describeError.ts"
import type { Sasl } from "../../KafkaConnection.ts"
import type { KafkaError } from "../../KafkaError.ts"
import { kafkaError, type Subject } from "./codes.ts"
import { connectFailure, lateAnswer, requestFailure } from "./failure.ts"
import { Frames } from "./frames.ts"
import type { Client } from "./platformatic.ts"
import { type Address, type Settings, showAddress, tlsOptionsOf } from "./settings.ts"

/** The package's own limits of time are not used: it goes on reading after one. */
const never = 2 ** 31 - 1

export class BrokerConnection {
  private readonly connection: Connection
  private readonly broker: string
  /** Why it was ended, where that is known better than by what the socket says. */
  private complaint: string | undefined
  /** What the socket said of its end. */
  private lostBy: Error | undefined
  private hasEnded = false
  private isBusy = false
  private isRetired = false

  constructor(connection: Connection, broker: string) {
    this.connection = connection
    this.broker = broker
    connection.on("error", (error) => {
      this.lostBy ??= error
      this.end()
    })
    connection.on("close", () => this.end())
    // A session that comes to its end is not renewed between requests: the next ones go over another connection.
    connection.reauthenticate = () => this.retire()
  }

  get isOpen(): boolean {
    return !this.hasEnded && !this.isRetired && this.connection.isConnected()
  }

  /** The answer, whatever error codes are in it. Interrupted, it is not known whether the request was carried out. */
  request<Arguments extends Array<unknown>, Answer>(
    api: API<Arguments, Answer>,
    values: Arguments,
    subject: Subject,
    limitMillis: number
  ): Effect.Effect<Answer, KafkaError> {
    const answer = Effect.callback<Answer, KafkaError>((resume) => {
      this.setBusy(true)
      api(this.connection, ...values, (error: Error | null, answer?: Answer) => {
        this.setBusy(false)
        const known = error === null ? answer : answerIn<Answer>(error)
        if (known !== undefined) return resume(Effect.succeed(known))
        this.end()
        resume(Effect.fail(this.failureOf(error, subject)))
      })
      return Effect.sync(() => this.end())
    })
    return Effect.timeoutOrElse(answer, {
      duration: limitMillis,
      orElse: () => Effect.fail(lateAnswer(this.broker, subject, limitMillis))
    })
  }

  private failureOf(error: unknown, subject: Subject): KafkaError {
    if (this.complaint === undefined) return requestFailure(this.lostBy ?? error, this.broker, subject)
    return kafkaError("Damaged", subject, `${this.broker} is not understood: ${this.complaint}`)
  }

  private setBusy(isBusy: boolean): void {
    this.isBusy = isBusy
    if (isBusy) this.connection.socket.ref()
    else this.connection.socket.unref()
  }

  private retire(): void {
    this.isRetired = true
    if (!this.isBusy) this.end()
  }

  /** Whoever waits for an answer is told that there is none. */
  end(): void {
    if (this.hasEnded) return
    this.hasEnded = true
    this.connection.close(() => {})
    this.connection.socket?.destroy()
  }

  /** Answers are put together here, for the package takes lengths as they come. To be called before any is there. */
  watchFrames(): void {
    const { socket } = this.connection
    const listeners = socket.listeners("data")
    socket.removeAllListeners("data")
    const frames = new Frames(
      (frame) => listeners.forEach((listener) => Reflect.apply(listener, socket, [frame])),
      (complaint) => {
        this.complaint = complaint
        this.end()
      }
    )
    socket.on("data", (chunk: Buffer) => frames.take(chunk))
  }

  get whyNot(): string | undefined {
    return this.complaint
  }
}

/** The package throws for error codes in an answer, and has the answer with it. */
const answerIn = <Answer>(error: unknown): Answer | undefined =>
  (error as { readonly code?: unknown }).code === "PLT_KFK_RESPONSE"
    ? (error as { readonly response?: Answer }).response
    : undefined

export const openConnection = Effect.fnUntraced(function* (client: Client, address: Address, settings: Settings) {
  const broker = showAddress(address)
  const sasl = settings.sasl === undefined ? undefined : yield* saslOptionsOf(settings.sasl, broker)
  const connection = new client.package.Connection(settings.clientId, {
    connectTimeout: settings.connectMillis,
    requestTimeout: never,
    ...(settings.tls === undefined ? {} : { tls: tlsOptionsOf(settings.tls) }),
    ...(sasl === undefined ? {} : { sasl })
  })
  const opened = new BrokerConnection(connection, broker)
  yield* Effect.callback<void, KafkaError>((resume) => {
    const failure = start(connection, address, settings, (error) => {
      if (!error) return resume(Effect.void)
      opened.end()
      resume(Effect.fail(
        opened.whyNot === undefined
          ? connectFailure(error, broker, settings)
          : kafkaError("Damaged", { request: "connect" }, `${broker} is not understood: ${opened.whyNot}`)
      ))
    })
    if (failure !== undefined) return resume(Effect.fail(failure))
    // Behind the package's own listener, which is there already, and before any data.
    connection.socket.once(settings.tls === undefined ? "connect" : "secureConnect", () => opened.watchFrames())
    return Effect.sync(() => opened.end())
  })
  connection.socket.unref()
  return opened
})

/** The error, if certificates and keys are such that it does not even begin. */
const start = (
  connection: Connection,
  { host, port }: Address,
  settings: Settings,
  done: (error?: Error | null) => void
): KafkaError | undefined => {
  try {
    connection.connect(host, port, done)
    return undefined
  } catch (error) {
    return settings.tls === undefined ? connectFailure(error, showAddress({ host, port }), settings) : badTls(error)
  }
}

const badTls = (error: unknown): KafkaError =>
  kafkaError(
    "Options",
    { request: "connect" },
    `The connection's tls cannot be used (${
      describeError(error)
    }): ca, certificate and key are texts in PEM, and the key that of the certificate`
  )

/** A token is asked for at each connection, so it is never one that has ended. */
const saslOptionsOf = (sasl: Sasl, broker: string): Effect.Effect<SASLOptions, KafkaError> => {
  if (sasl.mechanism !== "OAUTHBEARER") {
    return Effect.sync(() => ({
      mechanism: sasl.mechanism,
      username: sasl.username,
      password: Redacted.value(sasl.password)
    }))
  }
  return Effect.matchEffect(sasl.token, {
    onSuccess: (token) =>
      Effect.succeed({
        mechanism: sasl.mechanism,
        token: Redacted.value(token),
        authBytesValidator: refuseComplaints,
        ...(sasl.extensions === undefined ? {} : { oauthBearerExtensions: { ...sasl.extensions } })
      }),
    onFailure: (error) =>
      Effect.fail(
        kafkaError(
          "Unavailable",
          { request: "connect" },
          `No token could be had for the broker ${broker} (${describeError(error)}): ` +
            "see to sasl.token"
        )
      )
  })
}

/** A broker that does not take a token says so in words, not by an error code. */
const refuseComplaints: NonNullable<SASLOptions["authBytesValidator"]> = (said, done) =>
  said.length === 0
    ? done(null, said)
    : done(new Error(`the token was not accepted: ${said.toString("utf8", 0, 1000)}`))
