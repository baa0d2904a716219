/**
 * LineServer: the demo's source: a server on loopback that sends lines of words to whoever connects, until its scope closes.
 *
 * The lines are the same in every run, a few every few milliseconds. A connection that does not read is paused, not buffered.
 */
import * as net from "node:net"
import { Effect, Schema, type Scope } from "effect"

/** The server could not listen. */
export class LineServerError extends Schema.TaggedError<LineServerError>()("LineServerError", {
  message: Schema.String
}) {}

export interface LineServer {
  readonly host: string
  readonly port: number
}

export interface LineServerOptions {
  /** A free one. */
  readonly port?: number | undefined
  /** 20 ms. */
  readonly intervalMillis?: number | undefined
  /** 5. */
  readonly linesPerInterval?: number | undefined
}

/** Connections at the same time. */
const connectionsMax = 64
const host = "127.0.0.1"

const lines = [
  "to be or not to be that is the question",
  "the quick brown fox jumps over the lazy dog",
  "all the world is a stage and all the men and women merely players",
  "a rose by any other name would smell as sweet",
  "the course of true love never did run smooth"
]

export const make = Effect.fnUntraced(function* (
  options: LineServerOptions = {}
): Effect.fn.Return<LineServer, LineServerError, Scope.Scope> {
  const { port = 0, intervalMillis = 20, linesPerInterval = 5 } = options
  const server = net.createServer((socket) => feed(socket, intervalMillis, linesPerInterval))
  const sockets = new Set<net.Socket>()
  server.maxConnections = connectionsMax
  server.on("connection", (socket) => {
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket))
  })
  yield* Effect.acquireRelease(listen(server, port), () =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      for (const socket of sockets) socket.destroy()
    }))
  return { host, port: (server.address() as net.AddressInfo).port }
})

const listen = (server: net.Server, port: number) =>
  Effect.callback<void, LineServerError>((resume) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "EADDRINUSE"
        ? `port ${port} is in use by another program: choose another`
        : error.message
      resume(Effect.fail(new LineServerError({ message: `The server of lines cannot listen on ${host}: ${why}.` })))
    })
    server.listen(port, host, () => resume(Effect.void))
  })

const feed = (socket: net.Socket, intervalMillis: number, linesPerInterval: number): void => {
  let next = 0
  let paused = false
  const timer = setInterval(() => {
    if (paused) return
    let text = ""
    for (let i = 0; i < linesPerInterval; i++) text += lines[next++ % lines.length] + "\n"
    paused = !socket.write(text)
  }, intervalMillis)
  socket.on("drain", () => paused = false)
  socket.on("close", () => clearInterval(timer))
  // A peer that goes away is no news to a demo; "close" follows.
  socket.on("error", () => {})
}
