/**
 * HttpReceiver against real clients on loopback: what is answered, when, and what is stored by then.
 */
import * as assert from "node:assert/strict"
import type * as http from "node:http"
import * as net from "node:net"
import { Effect, Exit, Fiber, Latch, Schema, Scope } from "effect"
import { decodeLines } from "../../adapters/socket/LineFramer.ts"
import * as BodyFormat from "../../adapters/http/BodyFormat.ts"
import { serve, type Settings } from "../../adapters/http/HttpReceiver.ts"
import * as Http from "../../adapters/http/mod.ts"
import { type Store, StoreError } from "../../core/receiving/Receiver.ts"
import { it } from "../kit.ts"
import { freePort, request } from "./client.ts"

/** A store that keeps blocks, while `open`; `refuse` says of which records it does not. */
const recorder = (refuse: (records: ReadonlyArray<unknown>) => boolean = () => false) => {
  const blocks: Array<ReadonlyArray<unknown>> = []
  const errors: Array<string> = []
  const open = Latch.makeUnsafe(true)
  const room = Latch.makeUnsafe(true)
  const waiting = new Set<() => void>()
  const notify = () => Array.from(waiting).forEach((look) => look())
  const until = (holds: () => boolean): Effect.Effect<void> =>
    Effect.callback((resume) => {
      const look = () => {
        if (holds() && waiting.delete(look)) resume(Effect.void)
      }
      waiting.add(look)
      look()
    })
  const seen = { arrived: 0, asked: 0 }
  /** As `BodyFormat.text`, and tells of each body that has come. */
  const text: typeof BodyFormat.text = {
    ...BodyFormat.text,
    parse: (bytes, contentType) => {
      seen.arrived++
      notify()
      return BodyFormat.text.parse(bytes, contentType)
    }
  }
  const keep = (records: ReadonlyArray<unknown>) =>
    Effect.gen(function* () {
      seen.asked++
      notify()
      yield* open.await
      if (refuse(records)) return yield* new StoreError({ stream: "s", message: "refused" })
      blocks.push(records)
    })
  const no = () => {
    throw new Error("not used")
  }
  const store: Store<any> = {
    single: no,
    chunk: no,
    ready: Effect.asVoid(room.await),
    array: keep,
    iterator: no,
    bytes: (bytes, records) => {
      const lines = decodeLines(bytes)
      assert.equal(lines.length, records)
      return keep(lines)
    },
    highWaterMark: () => undefined,
    reportError: (message) => void errors.push(message),
    restart: no,
    stop: no
  }
  return { blocks, errors, open, room, seen, store, text, until }
}

const settings = {
  host: "127.0.0.1",
  path: "/",
  maxBodyBytes: 1000,
  maxPendingBytes: 2000,
  maxConnections: 10,
  gatherMillis: 0
}

const started = Effect.fnUntraced(function* <A, Body>(
  format: BodyFormat.BodyFormat<A, Body>,
  store: Store<A>,
  options: Partial<Settings> = {}
) {
  const port = yield* freePort
  yield* serve({ ...settings, port, ...options }, format, store)
  return { port, post: (body: string | Uint8Array, how?: http.RequestOptions) => request(port, body, how) }
})

it.live("lines are answered with their number once they are stored, and not before", () =>
  Effect.gen(function* () {
    const { blocks, open, seen, store, until } = recorder()
    const { post } = yield* started(BodyFormat.text, store)
    const first = yield* post("one\ntwo\r\n\nlast")
    assert.deepEqual([first.status, first.body], [200, { stored: 4 }])
    assert.deepEqual(blocks, [["one", "two", "", "last"]])
    open.closeUnsafe()
    const waiting = yield* Effect.forkScoped(post("three\n"))
    yield* until(() => seen.asked === 2)
    assert.equal(waiting.pollUnsafe(), undefined)
    open.openUnsafe()
    yield* Fiber.join(waiting)
    assert.deepEqual(blocks[1], ["three"])
    assert.deepEqual((yield* post("")).body, { stored: 0 })
    const wrong = yield* post(Uint8Array.of(255, 254))
    assert.deepEqual([wrong.status, wrong.body], [400, { error: "The body is not UTF-8" }])
  }))

it.live("requests that wait are stored as one block; without room in the store they go on waiting", () =>
  Effect.gen(function* () {
    const { blocks, room, seen, store, text, until } = recorder()
    const { post } = yield* started(text, store)
    room.closeUnsafe()
    const answers = yield* Effect.forkScoped(
      Effect.forEach(["a\n", "b", "c\n"], (body) => post(body), { concurrency: "unbounded" })
    )
    yield* until(() => seen.arrived === 3)
    assert.deepEqual(blocks, [])
    room.openUnsafe()
    yield* Fiber.join(answers)
    assert.deepEqual(blocks.flat().sort(), ["a", "b", "c"])
    assert.ok(blocks.length <= 2)
  }))

it.live("JSON that no executor could hand on is refused when it comes, before it is in a block with others", () =>
  Effect.gen(function* () {
    const { blocks, store } = recorder()
    const { post } = yield* started(BodyFormat.json(Schema.Unknown), store, { maxBodyBytes: 5000 })
    const answer = yield* post("[".repeat(600) + "]".repeat(600))
    assert.equal(answer.status, 400)
    assert.match(answer.body.error as string, /cannot be a record: .*nested deeper than 500 levels/)
    assert.deepEqual((yield* post("[[1]]")).body, { stored: 1 })
    assert.deepEqual(blocks, [[[1]]])
  }))

const Reading = Schema.Struct({ sensor: Schema.String, celsius: Schema.Number })

it.live("JSON is one value, an array, or a value a line; what is not of the schema refuses the body with its place", () =>
  Effect.gen(function* () {
    const { blocks, store } = recorder()
    const { post } = yield* started(BodyFormat.json(Reading), store)
    const one = { sensor: "a", celsius: 1 }
    const two = { sensor: "b", celsius: 2 }
    assert.deepEqual((yield* post(JSON.stringify(one))).body, { stored: 1 })
    assert.deepEqual((yield* post(JSON.stringify([one, two]))).body, { stored: 2 })
    assert.deepEqual((yield* post(`${JSON.stringify(one)}\n\n${JSON.stringify(two)}\n`)).body, { stored: 2 })
    assert.deepEqual((yield* post(`\uFEFF${JSON.stringify(one)}`)).body, { stored: 1 })
    const ndjson = { headers: { "content-type": "application/x-ndjson" } }
    assert.deepEqual((yield* post(JSON.stringify(one), ndjson)).body, { stored: 1 })
    assert.deepEqual(blocks, [[one], [one, two], [one, two], [one], [one]])
    const errorOf = Effect.fnUntraced(function* (body: string, how?: http.RequestOptions) {
      const answer = yield* post(body, how)
      assert.equal(answer.status, 400)
      return answer.body.error as string
    })
    assert.match(yield* errorOf("{"), /^The body is not JSON: /)
    assert.match(yield* errorOf(`${JSON.stringify(one)}\n{"sensor"`), /^Line 2 of the body is not JSON: /)
    assert.match(
      yield* errorOf(JSON.stringify([one, { sensor: "c" }])),
      /^The value at index 1 is not of this stream's schema: .*celsius/
    )
    assert.match(yield* errorOf(`${JSON.stringify(one)}\n3`), /^The value at line 2 is not of this stream's schema/)
    assert.match(yield* errorOf("3"), /^The value at the top /)
    assert.equal(blocks.length, 5)
  }))

it.live("other methods and paths, compressed bodies and bodies that are too large are refused", () =>
  Effect.gen(function* () {
    const { blocks, store } = recorder()
    const { port, post } = yield* started(BodyFormat.text, store, { path: "/in" })
    const statusOf = (how: http.RequestOptions, body = "x") => Effect.map(post(body, how), ({ status }) => status)
    assert.equal(yield* statusOf({ path: "/other" }), 404)
    const get = yield* request(port, undefined, { method: "GET", path: "/in" })
    assert.deepEqual([get.status, get.headers.allow], [405, "POST, PUT"])
    assert.equal(yield* statusOf({ path: "/in", headers: { "content-encoding": "gzip" } }), 415)
    assert.equal(yield* statusOf({ path: "/in" }, "y".repeat(1001)), 413)
    assert.equal(yield* statusOf({ path: "/in", headers: { "transfer-encoding": "chunked" } }, "y".repeat(1001)), 413)
    assert.deepEqual(blocks, [])
    assert.equal(yield* statusOf({ path: "/in?source=test" }, "y".repeat(1000)), 200)
    assert.equal(yield* statusOf({ path: "/in", method: "PUT", headers: { expect: "100-continue" } }), 200)
  }))

it.live("only UTF-8, without codings, is taken, whatever the case in which that is said; its byte order mark is left out", () =>
  Effect.gen(function* () {
    const { blocks, store } = recorder()
    const { post } = yield* started(BodyFormat.text, store)
    const refused: ReadonlyArray<readonly [http.OutgoingHttpHeaders, string]> = [
      [{ "content-type": "text/plain; charset=utf-16le" }, "Send the body in UTF-8, not in utf-16le"],
      [{ "content-type": `text/plain;charset="ISO-8859-1"` }, "Send the body in UTF-8, not in ISO-8859-1"],
      [{ "content-encoding": "GZIP" }, "Send the body without compression, not as GZIP"],
      [{ "transfer-encoding": "gzip, chunked" }, "Send the body in chunks or whole, not as gzip, chunked"]
    ]
    for (const [headers, error] of refused) {
      const answer = yield* post("x", { headers })
      assert.deepEqual([answer.status, answer.body], [415, { error }])
    }
    const taken: ReadonlyArray<http.OutgoingHttpHeaders> = [
      { "content-type": "text/plain; charset=UTF-8" },
      { "content-type": "text/plain; format=flowed; charset=US-ASCII" },
      { "content-type": `application/json;charset="utf8"` },
      { "content-encoding": "Identity" },
      { "transfer-encoding": "Chunked" }
    ]
    for (const headers of taken) assert.equal((yield* post("\uFEFFx", { headers })).status, 200)
    assert.deepEqual(blocks.flat(), taken.map(() => "x"))
  }))

it.live("beyond the bytes that may wait, clients are sent away for a while", () =>
  Effect.gen(function* () {
    const { open, seen, store, text, until } = recorder()
    const { post } = yield* started(text, store)
    open.closeUnsafe()
    const waiting = yield* Effect.forkScoped(
      Effect.all([post("a".repeat(900)), post("b".repeat(900))], { concurrency: 2 })
    )
    yield* until(() => seen.arrived === 2)
    const away = yield* post("c".repeat(900))
    assert.deepEqual([away.status, away.headers["retry-after"]], [503, "1"])
    open.openUnsafe()
    yield* Fiber.join(waiting)
    assert.equal((yield* post("d".repeat(900))).status, 200)
  }))

it.live("a body that cannot be stored is answered so, reported, and takes no other with it", () =>
  Effect.gen(function* () {
    const { blocks, errors, room, seen, store, text, until } = recorder((records) => records.includes("bad"))
    const { post } = yield* started(text, store)
    room.closeUnsafe()
    const answers = yield* Effect.all([
      Effect.forEach(["good", "bad", "fine"], (body) => post(body), { concurrency: "unbounded" }),
      Effect.andThen(until(() => seen.arrived === 3), Effect.sync(() => room.openUnsafe()))
    ], { concurrency: 2 })
    assert.deepEqual(answers[0].map(({ status }) => status), [200, 503, 200])
    assert.deepEqual(blocks.flat().sort(), ["fine", "good"])
    assert.deepEqual(errors, ["What a client posted could not be stored"])
  }))

it.live("a stop lets what is being stored end and answers it; others are sent away; then nobody listens", () =>
  Effect.gen(function* () {
    const { blocks, open, seen, store, text, until } = recorder()
    const scope = yield* Scope.make()
    const { post } = yield* Effect.provideService(started(text, store), Scope.Scope, scope)
    open.closeUnsafe()
    const first = yield* Effect.forkScoped(post("first"))
    yield* until(() => seen.asked === 1)
    const second = yield* Effect.forkScoped(post("second"))
    yield* until(() => seen.arrived === 2)
    const closed = yield* Effect.forkScoped(Scope.close(scope, Exit.void))
    const away = yield* Fiber.join(second)
    assert.equal(closed.pollUnsafe(), undefined)
    open.openUnsafe()
    yield* Fiber.join(closed)
    const answers = [away.status, (yield* Fiber.join(first)).status]
    assert.deepEqual([answers, blocks], [[503, 200], [["first"]]])
    assert.match(String(yield* Effect.flip(post("third"))), /ECONNREFUSED|ECONNRESET|socket hang up/)
  }))

it.live("a client that ends its side of the connection after its request is answered when it is stored", () =>
  Effect.gen(function* () {
    const { blocks, open, seen, store, until } = recorder()
    const { port } = yield* started(BodyFormat.text, store)
    open.closeUnsafe()
    const answer = yield* Effect.forkScoped(Effect.callback<string>((resume) => {
      let text = ""
      const socket = net.connect({ host: "127.0.0.1", port, allowHalfOpen: true }, () => {
        socket.end("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\norder7")
      })
      socket.on("data", (data) => text += data)
      socket.on("error", (error) => text += error)
      socket.on("close", () => resume(Effect.succeed(text)))
    }))
    yield* until(() => seen.asked === 1)
    yield* Effect.sleep(50)
    open.openUnsafe()
    const text = yield* Fiber.join(answer)
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n[^]*\{"stored":1\}$/)
    assert.deepEqual(blocks, [["order7"]])
  }))

it.live("a client that goes away half-way leaves nothing behind", () =>
  Effect.gen(function* () {
    const { blocks, store } = recorder()
    const { port, post } = yield* started(BodyFormat.text, store)
    for (let i = 0; i < 5; i++) {
      yield* Effect.callback<void>((resume) => {
        const socket = net.connect(port, "127.0.0.1", () => {
          socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 900\r\n\r\n${"z".repeat(800)}`, () => {
            socket.destroy()
          })
        })
        socket.on("close", () => resume(Effect.void))
        socket.on("error", () => {})
      })
    }
    assert.equal((yield* post("a".repeat(1000))).status, 200)
    assert.deepEqual(blocks.map((block) => block.length), [1])
  }))

it.live("a port that is in use is an error that names it and the remedy", () =>
  Effect.gen(function* () {
    const { store } = recorder()
    const { port } = yield* started(BodyFormat.text, store)
    const error = yield* Effect.flip(serve({ ...settings, port }, BodyFormat.text, store))
    assert.equal(error._tag, "HttpServerFailed")
    assert.equal(
      error.message,
      `The HTTP receiver cannot listen on port ${port} of 127.0.0.1: it is in use: end the program that listens there, or give another port`
    )
  }))

it("options that cannot be are refused where the program is built", () =>
  Effect.sync(() => {
    const refused = (build: () => unknown, message: RegExp) =>
      assert.throws(build, { _tag: "InvalidHttpStream", message })
    refused(
      () => Http.textStream({ port: 0 }),
      /The port of an HTTP receiver has to be a whole number from 1 to 65535, and is 0/
    )
    refused(() => Http.textStream({ port: 8080, path: "in" }), /path/)
    refused(() => Http.textStream({ port: 8080, maxBodyBytes: -1 }), /maxBodyBytes/)
    refused(() => Http.jsonStream({ port: 8080 } as never), /schema/)
  }))
