/**
 * W8's source: record ids at an even rate, numbered, kept until they are acknowledged (the protocol: `AcknowledgedReceiver`). Line n is the
 * id of record n, so that what was sent need not be kept to be sent again.
 */
import { createServer, type Server, type Socket } from "node:net"

const everyMillis = 5
/** Of what a receiver has not yet read: it is filled up again when it has. */
const writableBytesMax = 4 * 1024 * 1024

export class NumberedSource {
  /** The highest number that is stored for good. */
  acknowledged = -1
  private readonly perSecond: number
  private readonly began = performance.now()
  private readonly server: Server
  private readonly timer: ReturnType<typeof setInterval>
  /** What each receiver is sent next. */
  private readonly next = new Map<Socket, number>()
  private stopped: number | undefined

  constructor(perSecond: number) {
    this.perSecond = perSecond
    this.server = createServer((socket) => this.serve(socket))
    this.timer = setInterval(() => this.send(), everyMillis)
  }

  listen(): Promise<number> {
    return new Promise((resolve) =>
      this.server.listen(0, "127.0.0.1", () => resolve((this.server.address() as { port: number }).port))
    )
  }

  /** Records so far. */
  get made(): number {
    return this.stopped ?? Math.floor((performance.now() - this.began) / 1000 * this.perSecond)
  }

  /** No more records come; those that were made are sent. */
  stop(): void {
    this.stopped = this.made
  }

  close(): void {
    clearInterval(this.timer)
    this.server.close()
    for (const socket of this.next.keys()) socket.destroy()
  }

  private serve(socket: Socket): void {
    let rest = ""
    socket.setEncoding("utf8")
    socket.on("error", () => {})
    socket.on("close", () => this.next.delete(socket))
    socket.on("data", (text: string) => {
      const lines = (rest + text).split("\n")
      rest = lines.pop()!
      for (const line of lines) {
        const [word, number] = line.split(" ")
        if (word === "FROM") this.next.set(socket, Number(number))
        if (word === "ACK") this.acknowledged = Math.max(this.acknowledged, Number(number))
      }
    })
    socket.write("SOURCE ids\n")
  }

  private send(): void {
    const { made } = this
    for (const [socket, first] of this.next) {
      let next = first
      while (next < made && socket.writableLength < writableBytesMax) {
        let text = ""
        for (const end = Math.min(made, next + 1000); next < end; next++) text += `${next} id${next}\n`
        socket.write(text)
      }
      this.next.set(socket, next)
    }
  }
}
