/**
 * scriptedS3: an object store in memory that says over the S3 protocol what a test wants it to say. It keeps one bucket, `bucket`,
 * looks at no signature, and lists three names at a time. `around` sees each request first: it may answer itself, or act
 * after it was done.
 */
import * as http from "node:http"
import { text } from "node:stream/consumers"
import type { AddressInfo } from "node:net"
import { Effect, type Scope } from "effect"

export interface Answer {
  readonly status: number
  readonly code?: string
  readonly message?: string
  readonly headers?: Record<string, string>
  readonly body?: Uint8Array | string
  /** Bytes of the body after which the connection breaks; 0: before the answer. */
  readonly breakAfter?: number
}

export interface Request {
  readonly method: string
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: http.IncomingHttpHeaders
  /** How many of this method and key came before it. */
  readonly before: number
}

export interface ScriptedS3 {
  readonly endpoint: string
  /** `bucket`, with a prefix. */
  readonly place: string
  readonly objects: Map<string, { readonly bytes: string; readonly mark: string | undefined }>
  readonly requests: Array<Request>
  /** Does to the store what the request asks for. */
  readonly done: (request: Request, body: string) => Answer
}

/** undefined: the store does what it is asked. */
export type Around = (request: Request, body: string, store: ScriptedS3) => Answer | "never" | undefined

const listed = 3

export const scriptedS3 = Effect.fnUntraced(function* (
  around: Around = () => undefined
): Effect.fn.Return<ScriptedS3, never, Scope.Scope> {
  const server = http.createServer()
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )
  const store = storeAt((server.address() as AddressInfo).port)
  server.on("request", (incoming: http.IncomingMessage, outgoing: http.ServerResponse) => {
    text(incoming).then((body) => {
      const request = requestOf(incoming, store.requests)
      store.requests.push(request)
      const answer = around(request, body, store) ?? store.done(request, body)
      if (answer !== "never") send(outgoing, request, answer)
    }, () => outgoing.destroy())
  })
  return store
})

const requestOf = (incoming: http.IncomingMessage, earlier: ReadonlyArray<Request>): Request => {
  const url = new URL(incoming.url ?? "/", "http://store")
  const key = decodeURIComponent(url.pathname.replace(/^\/bucket\/?/, ""))
  const method = incoming.method ?? ""
  const before = earlier.filter((other) => other.method === method && other.key === key).length
  return { method, key, query: url.searchParams, headers: incoming.headers, before }
}

const storeAt = (port: number): ScriptedS3 => {
  const objects: ScriptedS3["objects"] = new Map()
  const endpoint = `http://127.0.0.1:${port}`
  const done = (request: Request, body: string): Answer => {
    const { method, key, query, headers } = request
    if (method === "GET" && query.has("list-type")) return page(objects, query)
    if (method === "DELETE") {
      objects.delete(key)
      return { status: 204 }
    }
    if (method === "PUT") {
      if (headers["if-none-match"] === "*" && objects.has(key)) return { status: 412, code: "PreconditionFailed" }
      const mark = headers["x-amz-meta-dstreams-creation"]
      objects.set(key, { bytes: body, mark: typeof mark === "string" ? mark : undefined })
      return { status: 200 }
    }
    return found(objects.get(key), headers.range)
  }
  return { endpoint, place: `s3://bucket/app?endpoint=${endpoint}`, objects, requests: [], done }
}

const found = (object: { readonly bytes: string; readonly mark: string | undefined } | undefined, range?: string) => {
  if (object === undefined) return { status: 404, code: "NoSuchKey" }
  const headers = object.mark === undefined ? {} : { "x-amz-meta-dstreams-creation": object.mark }
  if (range === undefined) return { status: 200, body: object.bytes, headers }
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range)!.map(Number) as [number, number, number]
  const last = Math.min(to, object.bytes.length - 1)
  if (from > last) return { status: 416, code: "InvalidRange" }
  const body = object.bytes.slice(from, last + 1)
  return { status: 206, body, headers: { ...headers, "content-range": `bytes ${from}-${last}/${object.bytes.length}` } }
}

const page = (objects: ScriptedS3["objects"], query: URLSearchParams): Answer => {
  const after = query.get("continuation-token") ?? ""
  const keys = [...objects.keys()].sort().filter((key) => key.startsWith(query.get("prefix") ?? "") && key > after)
  const shown = keys.slice(0, listed)
  const more = keys.length > listed
  const contents = shown.map((key) => `<Contents><Key>${key}</Key></Contents>`).join("")
  const next = more ? `<NextContinuationToken>${shown.at(-1)}</NextContinuationToken>` : ""
  const body = `<ListBucketResult><IsTruncated>${more}</IsTruncated>${next}${contents}</ListBucketResult>`
  return { status: 200, body, headers: { "content-type": "application/xml" } }
}

const send = (outgoing: http.ServerResponse, request: Request, answer: Answer): void => {
  const { status, code, message = "words of the server", headers = {}, breakAfter } = answer
  if (breakAfter === 0) return void outgoing.destroy()
  const error = code === undefined ? "" : `<Error><Code>${code}</Code><Message>${message}</Message></Error>`
  const body = typeof answer.body === "string" || answer.body === undefined
    ? new TextEncoder().encode(answer.body ?? error)
    : answer.body
  const length = status === 204 ? {} : { "content-length": String(body.length) }
  outgoing.writeHead(status, { ...length, ...headers })
  if (request.method === "HEAD") return void outgoing.end()
  if (breakAfter === undefined) return void outgoing.end(body)
  outgoing.write(body.slice(0, breakAfter), () => outgoing.destroy())
}
