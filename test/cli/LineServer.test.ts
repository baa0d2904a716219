/**
 * The demo's server: lines to every connection, a clear end, a clear error for a port in use.
 */
import * as assert from "node:assert/strict"
import * as net from "node:net"
import { Effect, Exit, Scope } from "effect"
import * as LineServer from "../../adapters/cli/LineServer.ts"
import { it } from "../kit.ts"

/** The first `length` characters that a connection is sent, and its end. */
const connect = ({ host, port }: LineServer.LineServer, length: number) => {
  const socket = net.connect(port, host)
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()))
  let text = ""
  const read = new Promise<string>((resolve, reject) => {
    socket.setEncoding("utf8")
    socket.on("data", (chunk: string) => {
      text += chunk
      if (text.length >= length) resolve(text.slice(0, length))
    })
    socket.on("error", reject)
  })
  return { socket, read: Effect.promise(() => read), closed: Effect.promise(() => closed) }
}

it.live("several connections read the same lines at the same time", () =>
  Effect.gen(function* () {
    const server = yield* LineServer.make({ intervalMillis: 1 })
    const [a, b] = [connect(server, 500), connect(server, 500)]
    const [first, second] = [yield* a.read, yield* b.read]
    assert.equal(first, second)
    assert.match(first, /^to be or not to be that is the question\nthe quick brown fox/)
    a.socket.destroy()
    yield* a.closed
    assert.equal(yield* connect(server, 500).read, first)
  }))

it.live("closing the scope ends the connections and frees the port", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const server = yield* LineServer.make({ intervalMillis: 1 }).pipe(Scope.provide(scope))
    const connection = connect(server, 10)
    yield* connection.read
    yield* Scope.close(scope, Exit.void)
    yield* connection.closed
    assert.equal((yield* LineServer.make({ port: server.port })).port, server.port)
  }))

it.live("a port in use is told with what to do", () =>
  Effect.gen(function* () {
    const { port } = yield* LineServer.make()
    const error = yield* Effect.flip(LineServer.make({ port }))
    assert.match(
      error.message,
      new RegExp(`cannot listen on 127.0.0.1: port ${port} is in use by another program: choose another`)
    )
  }))
