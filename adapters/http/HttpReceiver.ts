/**
 * HttpReceiver: takes what clients post, and answers when it is safe.
 *
 * | request | answer |
 * | --- | --- |
 * | POST, or PUT, of a body that the format accepts | 200 `{"stored": records}`, once its block is safe |
 * | its block could not be stored | 503 with Retry-After: nothing of it will be in any batch |
 * | a body that the format does not accept | 400 with the reason |
 * | a body of more than `maxBodyBytes` | 413 |
 * | a body that is compressed, or in another charset than UTF-8 | 415 |
 * | another path | 404 |
 * | another method | 405 with Allow |
 * | more than `maxPendingBytes` wait to be stored, or the receiver is stopping | 503 with Retry-After |
 *
 * Requests that wait are stored together as one block, at most one each `gatherInterval`; if that fails, each for itself. The
 * next block is stored when the one before it is safe, the store has room and the rate allows it: clients wait that long. A
 * client that gets no answer cannot know, and sends again: receipt is at least once. One that has ended its side of the connection
 * still gets its answer. A stop lets the block that is being stored
 * end, answers its clients, and sends the others away.
 */
import { Buffer } from "node:buffer"
import * as http from "node:http"
import { Effect, Exit, Queue, Result, Schema, type Scope } from "effect"
import { describeError } from "../../core/protocol/describeError.ts"
import type { Store } from "../../core/receiving/Receiver.ts"
import type { BodyFormat } from "./BodyFormat.ts"

export interface Settings {
  readonly host: string
  readonly port: number
  readonly path: string
  readonly maxBodyBytes: number
  readonly maxPendingBytes: number
  readonly maxConnections: number
  readonly gatherMillis: number
}

/** The server cannot listen. The receiver is started again after a pause. */
export class HttpServerFailed extends Schema.TaggedError<HttpServerFailed>()("HttpServerFailed", {
  host: Schema.String,
  port: Schema.Number,
  message: Schema.String
}) {}

const retryAfterSeconds = 1
/** Of the bodies of one block. */
const maxBlockBytes = 8 * 1024 * 1024
/** What a stop grants the block that is being stored, and then the answers on their way. */
const stopMillis = 2000
/** A client gets as long to send its request. */
const requestTimeoutMillis = 60_000

/** A request whose body has come, and that has no answer yet. */
interface Pending<Body> {
  readonly body: Body
  readonly bytes: number
  readonly answer: (status: number, answer: object) => void
}

/** Listens until its scope closes. */
export const serve = Effect.fnUntraced(function* <A, Body>(
  settings: Settings,
  format: BodyFormat<A, Body>,
  store: Store<A>
): Effect.fn.Return<void, HttpServerFailed, Scope.Scope> {
  const intake = new Intake(settings, format, yield* Queue.unbounded<Pending<Body>>())
  const server = http.createServer({ requestTimeout: requestTimeoutMillis }, intake.handle)
  server.maxConnections = settings.maxConnections
  // Without it a client that ends its side after its request is not answered, although its records are stored.
  Object.assign(server, { httpAllowHalfOpen: true })
  server.on("checkContinue", intake.handle)
  yield* Effect.acquireRelease(listen(server, settings), () => close(server))
  server.on("error", (error) => store.reportError("The HTTP server failed", error))
  yield* Effect.forkScoped(Effect.forever(storeNext(intake, format, store, settings.gatherMillis)))
  yield* Effect.addFinalizer(() => intake.stop)
})

const listen = (server: http.Server, { host, port }: Settings) =>
  Effect.callback<void, HttpServerFailed>((resume) => {
    const failed = (error: NodeJS.ErrnoException) => {
      const why = error.code === "EADDRINUSE"
        ? "it is in use: end the program that listens there, or give another port"
        : describeError(error)
      const message = `The HTTP receiver cannot listen on port ${port} of ${host}: ${why}`
      resume(Effect.fail(new HttpServerFailed({ host, port, message })))
    }
    server.once("error", failed)
    server.listen(port, host, () => {
      server.off("error", failed)
      resume(Effect.void)
    })
  })

/** Answers that are on their way may arrive. */
const close = (server: http.Server) =>
  Effect.andThen(
    Effect.timeoutOption(
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeIdleConnections()
      }),
      stopMillis
    ),
    Effect.sync(() => server.closeAllConnections())
  )

/** Stores what waits, and then pauses, so that much that comes one by one is not many blocks. */
const storeNext = Effect.fnUntraced(function* <A, Body>(
  intake: Intake<Body>,
  format: BodyFormat<A, Body>,
  store: Store<A>,
  gatherMillis: number
) {
  const waiting = yield* Queue.takeAll(intake.queue)
  for (const group of groupsOf(waiting)) {
    yield* store.ready
    if (intake.isStopping) return
    intake.storing = group
    const together = yield* Effect.exit(format.store(group.map(({ body }) => body), store))
    if (Exit.isSuccess(together)) group.forEach((one) => stored(one, format))
    else for (const one of group) yield* storeOne(one, format, store)
    intake.storing = []
  }
  yield* Effect.sleep(gatherMillis)
})

/** One that cannot be stored does not take others with it. */
const storeOne = <A, Body>(one: Pending<Body>, format: BodyFormat<A, Body>, store: Store<A>) =>
  Effect.match(format.store([one.body], store), {
    onSuccess: () => stored(one, format),
    onFailure: (error) => {
      store.reportError("What a client posted could not be stored", error)
      one.answer(503, { error: `It could not be stored: ${error.message}. Send it again` })
    }
  })

const stored = <Body>({ answer, body }: Pending<Body>, format: Pick<BodyFormat<never, Body>, "records">) =>
  answer(200, { stored: format.records(body) })

const groupsOf = <Body>(pending: ReadonlyArray<Pending<Body>>): ReadonlyArray<ReadonlyArray<Pending<Body>>> => {
  const groups: Array<Array<Pending<Body>>> = []
  let bytes = Infinity
  for (const one of pending) {
    if (bytes + one.bytes > maxBlockBytes) {
      groups.push([])
      bytes = 0
    }
    groups.at(-1)!.push(one)
    bytes += one.bytes
  }
  return groups
}

/** What has come and has no answer yet. Its callbacks only parse and put in the queue. */
class Intake<Body> {
  readonly queue: Queue.Queue<Pending<Body>>
  storing: ReadonlyArray<Pending<Body>> = []
  isStopping = false
  private readonly open = new Set<Pending<Body>>()
  private pendingBytes = 0
  private idle: (() => void) | undefined
  private readonly settings: Settings
  private readonly format: Pick<BodyFormat<never, Body>, "parse">

  constructor(
    settings: Settings,
    format: Pick<BodyFormat<never, Body>, "parse">,
    queue: Queue.Queue<Pending<Body>>
  ) {
    this.queue = queue
    this.settings = settings
    this.format = format
  }

  readonly handle = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    const refusal = this.refusalOf(request)
    if (refusal !== undefined) return this.refuse(request, response, refusal)
    if (request.headers.expect !== undefined) response.writeContinue()
    this.receive(request, response)
  }

  /** Sends those away whose bodies are not being stored, and waits for the others. */
  readonly stop: Effect.Effect<void> = Effect.suspend(() => {
    this.isStopping = true
    const away = () => this.open.forEach((one) => this.storing.includes(one) ? undefined : one.answer(503, stopping))
    away()
    const stored = Effect.callback<void>((resume) => {
      const look = () => void (this.open.size === 0 && resume(Effect.void))
      this.idle = look
      look()
    })
    return Effect.andThen(
      Effect.timeoutOption(stored, stopMillis),
      Effect.sync(() => {
        this.storing = []
        away()
      })
    )
  })

  private refusalOf({ headers, method, url = "" }: http.IncomingMessage): Refusal | undefined {
    const { maxBodyBytes, path } = this.settings
    if (url.split("?", 1)[0] !== path) return { status: 404, error: `Nothing is received here; post to ${path}` }
    if (method !== "POST" && method !== "PUT") {
      return { status: 405, error: `Post to ${path}`, headers: { allow: "POST, PUT" } }
    }
    const error = mistakeOfForm(headers)
    if (error !== undefined) return { status: 415, error }
    if (Number(headers["content-length"] ?? 0) > maxBodyBytes) return tooLarge(maxBodyBytes)
    return this.isStopping ? { status: 503, ...stopping } : undefined
  }

  private receive(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { maxBodyBytes, maxPendingBytes } = this.settings
    const chunks: Array<Uint8Array> = []
    let bytes = 0
    let counted = 0
    const release = () => {
      this.pendingBytes -= counted
      counted = 0
    }
    const giveUp = (refusal: Refusal) => {
      request.removeAllListeners("data")
      request.removeAllListeners("end")
      this.refuse(request, response, refusal)
    }
    request.on("data", (chunk: Uint8Array) => {
      bytes += chunk.byteLength
      counted += chunk.byteLength
      this.pendingBytes += chunk.byteLength
      chunks.push(chunk)
      if (bytes > maxBodyBytes) return giveUp(tooLarge(maxBodyBytes))
      if (this.pendingBytes > maxPendingBytes) {
        giveUp({ status: 503, error: "Too much waits to be stored. Send it again" })
      }
    })
    // Half a request is over with the client's side of the connection: Deno does not see that by itself.
    const cut = () => {
      if (request.complete) return
      release()
      request.destroy()
    }
    request.socket.on("end", cut)
    request.on("end", () => {
      request.socket.off("end", cut)
      this.take(request, response, Buffer.concat(chunks))
    })
    // Answered, refused, or gone half-way: its bytes do not wait any more.
    response.on("finish", release)
    response.on("close", release)
    request.on("error", () => {})
  }

  private take(request: http.IncomingMessage, response: http.ServerResponse, bytes: Buffer): void {
    if (this.isStopping) return this.refuse(request, response, { status: 503, ...stopping })
    const parsed = this.format.parse(bytes, request.headers["content-type"] ?? "")
    if (Result.isFailure(parsed)) return send(response, 400, { error: parsed.failure })
    const pending: Pending<Body> = {
      body: parsed.success,
      bytes: bytes.byteLength,
      answer: (status, answer) => {
        if (!this.open.delete(pending)) return
        send(response, status, answer, this.isStopping ? { connection: "close" } : {})
        if (this.open.size === 0) this.idle?.()
      }
    }
    this.open.add(pending)
    Queue.offerUnsafe(this.queue, pending)
  }

  /** What the client still sends of the body is read and thrown away, so that it sees the answer. */
  private refuse(request: http.IncomingMessage, response: http.ServerResponse, refusal: Refusal): void {
    const { error, headers, status } = refusal
    send(response, status, { error }, { ...headers, connection: "close" })
    request.resume()
  }
}

/** What of its form a body is not taken in, with the remedy. */
const mistakeOfForm = (headers: http.IncomingHttpHeaders): string | undefined => {
  const encoding = headers["content-encoding"] ?? "identity"
  if (!/^identity$/i.test(encoding)) return `Send the body without compression, not as ${encoding}`
  const transfer = headers["transfer-encoding"] ?? "chunked"
  if (!/^chunked$/i.test(transfer)) return `Send the body in chunks or whole, not as ${transfer}`
  const [, charset = "utf-8"] = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(headers["content-type"] ?? "") ?? []
  return /^(utf-?8|(us-)?ascii)$/i.test(charset) ? undefined : `Send the body in UTF-8, not in ${charset}`
}

type Headers = Readonly<Record<string, string | number>>

interface Refusal {
  readonly status: number
  readonly error: string
  readonly headers?: Headers
}

const stopping = { error: "The receiver is stopping. Send it again" }

const tooLarge = (maxBodyBytes: number): Refusal => ({
  status: 413,
  error: `The body has more than ${maxBodyBytes} bytes. Send it in parts`
})

const send = (
  response: http.ServerResponse,
  status: number,
  answer: object,
  headers: Headers = {}
): void => {
  if (response.headersSent || response.destroyed) return
  const body = JSON.stringify(answer)
  const all: http.OutgoingHttpHeaders = {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    ...headers
  }
  if (status === 503) all["retry-after"] = String(retryAfterSeconds)
  response.writeHead(status, all)
  response.end(body)
}
