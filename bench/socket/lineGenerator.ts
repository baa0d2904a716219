/**
 * W3's source: `lineGenerator.ts PHASES` serves one client on a free port of the loopback address and prints the port; PHASES is
 * JSON, a list of `[linesPerSecond, seconds]`. Lines go out every 5 ms, a cycle of 100,000 from data set 42; at the end it prints how many were sent.
 */
import { createServer } from "node:net"
import * as process from "node:process"
import { lines } from "../data.ts"

const phases: ReadonlyArray<readonly [rate: number, seconds: number]> = JSON.parse(process.argv[2]!)
const cycle = 100_000
const width = 101
const data = Buffer.from(lines(42, 0, cycle).join("\n") + "\n")

const server = createServer((socket) => {
  const start = performance.now()
  let sent = 0
  const due = (elapsed: number) => {
    let lines = 0
    for (const [rate, seconds] of phases) {
      lines += rate * Math.min(Math.max(elapsed, 0), seconds * 1000) / 1000
      elapsed -= seconds * 1000
    }
    return { lines: Math.floor(lines), over: elapsed >= 0 }
  }
  const timer = setInterval(() => {
    const { lines, over } = due(performance.now() - start)
    // A reader that does not keep up is not buffered for without end: what it missed is not sent, and counts as lost.
    const behind = socket.writableLength > 256 * 1024 * 1024
    while (!behind && sent < lines) {
      const from = sent % cycle
      const count = Math.min(lines - sent, cycle - from)
      socket.write(data.subarray(from * width, (from + count) * width))
      sent += count
    }
    if (!over) return
    clearInterval(timer)
    process.stdout.write(JSON.stringify({ sent, due: lines }) + "\n")
    socket.end()
    server.close()
  }, 5)
  socket.on("error", () => clearInterval(timer))
})
server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as { port: number }).port}\n`))
