/**
 * A TCP server on loopback for tests of receivers: it sends what it is told to whoever is connected, as fast as the other side
 * takes it and no faster.
 */
import { once } from "node:events"
import * as net from "node:net"
import { Effect, type Scope } from "effect"

export interface Server {
  readonly port: number
  /** How many connections there have been. */
  readonly connections: () => number
  /** Waits for a connection, sends the text over it, and waits until the system has taken all of it. */
  readonly send: (text: string) => Promise<void>
  /** Ends the connection: what was sent arrives, then its end. */
  readonly hangUp: () => Promise<void>
}

export const server: Effect.Effect<Server, never, Scope.Scope> = Effect.gen(function* () {
  const sockets: Array<net.Socket> = []
  const all: Array<net.Socket> = []
  const listening = net.createServer((socket) => {
    sockets.push(socket)
    all.push(socket)
    // Whoever goes away without a word is no matter here.
    socket.on("error", () => {})
    socket.on("close", () => void sockets.splice(sockets.indexOf(socket), 1))
    listening.emit("connected")
  })
  yield* Effect.promise(() => new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve)))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      listening.close()
      for (const socket of all) socket.destroy()
    })
  )
  const connected = async (): Promise<net.Socket> => {
    if (sockets.length === 0) await once(listening, "connected")
    return sockets[0]!
  }
  return {
    port: (listening.address() as net.AddressInfo).port,
    connections: () => all.length,
    send: async (text) => {
      const socket = await connected()
      if (socket.write(text)) return
      await new Promise<void>((resolve) => {
        const go = () => {
          socket.off("drain", go)
          socket.off("close", go)
          resolve()
        }
        socket.on("drain", go)
        socket.on("close", go)
      })
    },
    hangUp: async () => {
      const socket = await connected()
      const closed = once(socket, "close")
      socket.end()
      await closed
    }
  }
})
