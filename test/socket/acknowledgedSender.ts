/**
 * A server of acknowledged lines on loopback, as the protocol of `AcknowledgedReceiver` has it: it keeps each line until it is
 * acknowledged. Connections can be cut, and what it says be spoilt.
 */
import * as net from "node:net"
import { Effect, type Scope } from "effect"

export class Sender {
  readonly name: string
  readonly lines: Array<string> = []
  /** What receivers said, connection by connection. */
  readonly said: Array<ReadonlyArray<string>> = []
  acknowledged = -1
  /** Lines that are sent over one connection before it is cut. */
  cutAfter = Infinity
  /** What is sent in place of a line. */
  spoil: (line: string, number: number) => string = (line) => line
  private readonly sockets = new Map<net.Socket, number>()
  private readonly looking = new Set<() => void>()

  constructor(name = "sender") {
    this.name = name
  }

  add(...lines: ReadonlyArray<string>): void {
    this.lines.push(...lines)
    for (const socket of this.sockets.keys()) this.send(socket)
  }

  cut(): void {
    for (const socket of this.sockets.keys()) socket.destroy()
  }

  until(holds: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const look = () => {
        if (!holds()) return
        this.looking.delete(look)
        resume(Effect.void)
      }
      this.looking.add(look)
      look()
      return Effect.sync(() => void this.looking.delete(look))
    })
  }

  readonly notify = (): void => Array.from(this.looking).forEach((look) => look())

  readonly connect = (socket: net.Socket): void => {
    const said: Array<string> = []
    this.said.push(said)
    socket.setEncoding("utf8")
    socket.on("error", () => {})
    socket.on("close", () => {
      this.sockets.delete(socket)
      this.notify()
    })
    let rest = ""
    let left = this.cutAfter
    socket.on("data", (text: string) => {
      const lines = (rest + text).split("\n")
      rest = lines.pop()!
      for (const line of lines) {
        said.push(line)
        const [word, number] = line.split(" ")
        if (word === "FROM") this.sockets.set(socket, Number(number))
        if (word === "ACK") this.acknowledged = Math.max(this.acknowledged, Number(number))
      }
      this.send(socket, () => left-- > 0)
      this.notify()
    })
    socket.write(`SOURCE ${this.name}\n`)
    this.notify()
  }

  private send(socket: net.Socket, mayGoOn: () => boolean = () => true): void {
    let next = this.sockets.get(socket)
    if (next === undefined) return
    for (; next < this.lines.length; next++) {
      if (!mayGoOn()) return void socket.destroy()
      socket.write(this.spoil(`${next} ${this.lines[next]}`, next) + "\n")
    }
    this.sockets.set(socket, next)
  }
}

/** Listens until the scope closes. */
export const serve = (sender: Sender, port = 0): Effect.Effect<number, Error, Scope.Scope> =>
  Effect.gen(function* () {
    const open = new Set<net.Socket>()
    const server = yield* Effect.acquireRelease(
      Effect.sync(() =>
        net.createServer((socket) => {
          open.add(socket)
          sender.connect(socket)
        })
      ),
      (server) =>
        Effect.callback<void>((resume) => {
          open.forEach((socket) => socket.destroy())
          server.close(() => resume(Effect.void))
        })
    )
    yield* Effect.callback<void, Error>((resume) => {
      server.once("error", (error) => resume(Effect.fail(error)))
      server.listen(port, "127.0.0.1", () => resume(Effect.void))
    })
    return (server.address() as net.AddressInfo).port
  })
