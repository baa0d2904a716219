/**
 * SocketReceiver against real sockets on loopback: closing, refusing, stalling peers, bad input, back-pressure. Pauses pass on the
 * virtual clock; what the network does is awaited.
 */
import * as assert from "node:assert/strict"
import { Buffer } from "node:buffer"
import * as net from "node:net"
import { Effect, Fiber, Latch, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { decodeLines } from "../../adapters/socket/LineFramer.ts"
import { recordFraming } from "../../adapters/socket/recordFraming.ts"
import * as SocketReceiver from "../../adapters/socket/SocketReceiver.ts"
import { textFraming } from "../../adapters/socket/textFraming.ts"
import { type Store, StoreError } from "../../core/receiving/Receiver.ts"
import { it } from "../kit.ts"

/** Waits until something holds, looking again whenever `notify` is called. */
const makeNotices = () => {
  const waiting = new Set<() => void>()
  const until = (holds: () => boolean): Effect.Effect<void> =>
    Effect.callback((resume) => {
      const look = () => {
        if (!holds()) return
        waiting.delete(look)
        resume(Effect.void)
      }
      waiting.add(look)
      look()
      return Effect.sync(() => void waiting.delete(look))
    })
  return { until, notify: () => Array.from(waiting).forEach((look) => look()) }
}

/** A store that keeps all, and has room while `room` is open. */
const recorder = () => {
  const { until, notify } = makeNotices()
  const room = Latch.makeUnsafe(true)
  const lines: Array<string> = []
  const records: Array<unknown> = []
  const errors: Array<string> = []
  const keep = (add: () => void) => {
    add()
    notify()
    return room.isOpen()
  }
  const none = Effect.die(new Error("not used"))
  const store: Store<any> = {
    single: (record) => keep(() => void records.push(record)),
    chunk: (bytes, count) =>
      keep(() => {
        const decoded = decodeLines(bytes)
        assert.equal(decoded.length, count)
        lines.push(...decoded)
      }),
    ready: Effect.asVoid(room.await),
    array: () => none,
    iterator: () => none,
    bytes: () => none,
    highWaterMark: () => undefined,
    reportError: (message, error) => {
      errors.push(error === undefined ? message : `${message}: ${String(error)}`)
      notify()
    },
    restart: () => {},
    stop: () => {}
  }
  return { store, room, lines, records, errors, until }
}

/** A server on loopback that hands out its connections. */
const serve = (port = 0) =>
  Effect.gen(function* () {
    const { until, notify } = makeNotices()
    const sockets: Array<net.Socket> = []
    const server = yield* Effect.acquireRelease(
      Effect.sync(() =>
        net.createServer((socket) => {
          socket.on("error", () => {})
          sockets.push(socket)
          notify()
        })
      ),
      (server) =>
        Effect.callback<void>((resume) => {
          sockets.forEach((socket) => socket.destroy())
          server.close(() => resume(Effect.void))
        })
    )
    yield* Effect.callback<void, Error>((resume) => {
      server.once("error", (error) => resume(Effect.fail(error)))
      server.listen(port, "127.0.0.1", () => resume(Effect.void))
    })
    const connection = Effect.fnUntraced(function* (index: number) {
      yield* until(() => sockets.length > index)
      return sockets[index]!
    })
    return { port: (server.address() as net.AddressInfo).port, sockets, connection }
  })

/** A port on which nobody listens. */
const freePort = Effect.map(Effect.scoped(serve()), ({ port }) => port)

const run = (
  port: number,
  store: Store<any>,
  options: Partial<SocketReceiver.SocketOptions> = {},
  framing: () => SocketReceiver.Framing<any> = () => textFraming(1000)
): Effect.Effect<Fiber.Fiber<void>, never, Scope.Scope> =>
  Effect.forkScoped(
    Effect.scoped(SocketReceiver.make({ host: "127.0.0.1", port, ...options }, framing).onStart(store)),
    { startImmediately: true }
  )

it("lines arrive complete and in order, however they are cut, and a last line without end counts when the peer closes", () =>
  Effect.gen(function* () {
    const { store, lines, errors, until } = recorder()
    const server = yield* serve()
    yield* run(server.port, store)
    const peer = yield* server.connection(0)
    peer.write("one\ntw")
    yield* until(() => lines.length === 1)
    peer.write(Buffer.concat([Buffer.from("o\r\n\n\u20ac").subarray(0, 5), Buffer.from("\u20ac").subarray(1)]))
    peer.end(" last")
    yield* until(() => lines.length === 4 && errors.length === 1)
    assert.deepEqual(lines, ["one", "two", "", "\u20ac last"])
    assert.match(errors[0]!, /Connection to 127.0.0.1:\d+ closed; trying again after 2000 ms: closed by the server/)
  }))

it("a refused connection is reported once and tried again, less and less often, until there is a server", () =>
  Effect.gen(function* () {
    const { store, lines, errors, until } = recorder()
    const port = yield* freePort
    yield* run(port, store, { reconnectDelay: "2 seconds", reconnectDelayMax: "5 seconds" })
    yield* until(() => errors.length === 1)
    assert.match(errors[0]!, /Error connecting to 127.0.0.1:\d+; trying again after 2000 ms: .*ECONNREFUSED/)
    const server = yield* serve(port)
    yield* TestClock.adjust(1999)
    assert.equal(server.sockets.length, 0)
    yield* TestClock.adjust(1)
    const first = yield* server.connection(0)
    first.end("a\n")
    yield* until(() => lines.length === 1 && errors.length === 2)
    yield* TestClock.adjust("2 seconds")
    const second = yield* server.connection(1)
    second.write("b\n")
    yield* until(() => lines.length === 2)
    assert.deepEqual(lines, ["a", "b"])
    assert.equal(errors.length, 2)
  }))

it("a peer that resets the connection is a closed one, and what had come is kept", () =>
  Effect.gen(function* () {
    const { store, lines, errors, until } = recorder()
    const server = yield* serve()
    yield* run(server.port, store)
    const peer = yield* server.connection(0)
    peer.write("kept\nbegun")
    yield* until(() => lines.length === 1)
    peer.resetAndDestroy()
    yield* until(() => errors.length === 1)
    assert.deepEqual(lines.slice(0, 1), ["kept"])
    yield* TestClock.adjust("2 seconds")
    yield* server.connection(1)
  }))

it("a peer that says nothing for hours is left alone", () =>
  Effect.gen(function* () {
    const { store, lines, errors, until } = recorder()
    const server = yield* serve()
    yield* run(server.port, store)
    const peer = yield* server.connection(0)
    peer.write("first\n")
    yield* until(() => lines.length === 1)
    yield* TestClock.adjust("5 hours")
    peer.write("second\n")
    yield* until(() => lines.length === 2)
    assert.deepEqual(errors, [])
    assert.equal(server.sockets.length, 1)
  }))

it("a line without end is dropped, reported and counted, and the connection goes on", () =>
  Effect.gen(function* () {
    const { store, lines, errors, until } = recorder()
    const server = yield* serve()
    yield* run(server.port, store)
    const peer = yield* server.connection(0)
    peer.write(`${"x".repeat(100_000)}\n${"y".repeat(2000)}\nshort\n`)
    yield* until(() => lines.length === 1)
    assert.deepEqual(lines, ["short"])
    assert.deepEqual(errors, ["A line of more than 1000 bytes was dropped; raise maxLineBytes to keep such lines"])
    peer.end()
    yield* until(() => errors.length === 3)
    assert.equal(errors[1], "On this connection 2 lines were too long and dropped, 0 were not UTF-8")
  }))

it("invalid UTF-8 is read as U+FFFD, reported once a connection, and counted", () =>
  Effect.gen(function* () {
    const { store, lines, errors, until } = recorder()
    const server = yield* serve()
    yield* run(server.port, store)
    const peer = yield* server.connection(0)
    peer.write(Buffer.from([0x61, 0xff, 0x62, 10, 0xc3, 10, 0x6f, 0x6b, 10]))
    yield* until(() => lines.length === 3)
    assert.deepEqual(lines, ["a\ufffdb", "\ufffd", "ok"])
    peer.end(Buffer.from([0xfe, 10]))
    yield* until(() => errors.length === 3)
    assert.deepEqual(errors.slice(0, 2), [
      "A line is not UTF-8; what is invalid of it is read as U+FFFD",
      "On this connection 0 lines were too long and dropped, 3 were not UTF-8"
    ])
  }))

it("a store without room holds the peer back, and everything comes once there is room", () =>
  Effect.gen(function* () {
    const { store, room, lines, until } = recorder()
    const server = yield* serve()
    yield* run(server.port, store)
    const peer = yield* server.connection(0)
    room.closeUnsafe()
    const count = 400_000
    const block = Array.from({ length: count }, (_, i) => `line ${i} ${"-".repeat(90)}\n`).join("")
    peer.write(block)
    yield* until(() => lines.length > 0)
    // A second connection shows that the world went on while this one stood still.
    const { store: other, lines: others, until: untilOther } = recorder()
    yield* run(server.port, other)
    const second = yield* server.connection(1)
    second.write("go\n".repeat(10_000))
    yield* untilOther(() => others.length === 10_000)
    assert.ok(lines.length < 5000, `${lines.length} lines came though there was no room`)
    assert.ok(peer.writableLength > 1_000_000, "the peer could not get rid of its data")
    room.openUnsafe()
    yield* until(() => lines.length === count)
    assert.equal(lines.at(-1), `line ${count - 1} ${"-".repeat(90)}`)
  }))

it("a decoder of one's own makes the records; if it throws, the connection is made anew", () =>
  Effect.gen(function* () {
    const { store, records, errors, until } = recorder()
    const server = yield* serve()
    /** Bytes are records; 255 is an error. */
    const decode = () => ({
      push: (bytes: Uint8Array) => {
        if (bytes.includes(255)) throw new Error("not a record")
        return bytes
      },
      end: () => ["end"]
    })
    yield* run(server.port, store, {}, () => recordFraming<unknown>(decode()))
    const peer = yield* server.connection(0)
    peer.write(Uint8Array.of(1, 2))
    yield* until(() => records.length === 2)
    peer.write(Uint8Array.of(255))
    yield* until(() => errors.length === 2)
    assert.deepEqual(errors[0], "What a socket delivered could not be stored: Error: not a record")
    yield* TestClock.adjust("2 seconds")
    const next = yield* server.connection(1)
    next.end(Uint8Array.of(3))
    yield* until(() => records.length === 4)
    assert.deepEqual(records, [1, 2, 3, "end"])
  }))

it("a store that refuses closes the connection with a report", () =>
  Effect.gen(function* () {
    const { store, errors, until } = recorder()
    const server = yield* serve()
    const refusing = {
      ...store,
      chunk: () => {
        throw new StoreError({ stream: "s", message: "no more is kept" })
      }
    }
    yield* run(server.port, refusing)
    const peer = yield* server.connection(0)
    peer.write("a\n")
    yield* until(() => errors.length === 2)
    assert.match(errors[0]!, /could not be stored: .*no more is kept/)
  }))

it("when the receiver stops, its socket is closed", () =>
  Effect.gen(function* () {
    const { store, lines, until } = recorder()
    const server = yield* serve()
    const receiver = yield* run(server.port, store)
    const peer = yield* server.connection(0)
    peer.write("a\n")
    yield* until(() => lines.length === 1)
    const closed = yield* Effect.forkChild(
      Effect.callback<void>((resume) => void peer.once("close", () => resume(Effect.void))),
      { startImmediately: true }
    )
    peer.resume()
    yield* Fiber.interrupt(receiver)
    yield* Fiber.join(closed)
  }))

it("a connection that is not made in time is given up and tried again", () =>
  Effect.gen(function* () {
    const { store, errors, until } = recorder()
    const server = yield* serve()
    // A loopback connection is always made at once: for the first attempt, nothing goes out.
    const { connect } = net.Socket.prototype
    net.Socket.prototype.connect = function (this: net.Socket) {
      return this
    }
    yield* run(server.port, store, { connectTimeout: "10 seconds" })
    net.Socket.prototype.connect = connect
    yield* TestClock.adjust("10 seconds")
    assert.match(errors[0]!, /Error connecting to .* after 2000 ms: no connection within 10000 ms/)
    yield* TestClock.adjust("2 seconds")
    yield* server.connection(0)
    yield* until(() => errors.length === 1)
  }))
