/**
 * frames: answers of a broker, put together from the pieces in which they come: a length of four bytes, and so many bytes. Given on
 * whole, in one buffer, so that record batches are parts of it and not copied again; and never longer than a limit, whatever a peer says: what
 * sends other lengths is no Kafka broker, or speaks TLS.
 */
import { Buffer } from "node:buffer"

/** What the largest batch and the most partitions need, many times over. */
export const frameBytesMax = 128 * 1024 * 1024
const lengthBytes = 4
/** An answer has at least the number of its request. */
const frameBytesMin = 4

export class Frames {
  private readonly onFrame: (frame: Buffer) => void
  private readonly onBad: (message: string) => void
  private readonly head = Buffer.alloc(lengthBytes)
  private headBytes = 0
  /** With its length; undefined: the length is not complete. */
  private frame: Buffer | undefined
  private filled = 0
  private isBad = false

  constructor(onFrame: (frame: Buffer) => void, onBad: (message: string) => void) {
    this.onFrame = onFrame
    this.onBad = onBad
  }

  take(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && !this.isBad;) {
      at = this.frame === undefined ? this.takeHead(chunk, at) : this.fill(this.frame, chunk, at)
    }
  }

  private takeHead(chunk: Buffer, at: number): number {
    const count = Math.min(lengthBytes - this.headBytes, chunk.length - at)
    chunk.copy(this.head, this.headBytes, at, at + count)
    this.headBytes += count
    if (this.headBytes < lengthBytes) return at + count
    this.headBytes = 0
    const length = this.head.readInt32BE(0)
    if (length < frameBytesMin || length > frameBytesMax) {
      this.isBad = true
      this.onBad(describe(this.head))
      return chunk.length
    }
    this.frame = Buffer.allocUnsafeSlow(lengthBytes + length)
    this.head.copy(this.frame)
    this.filled = lengthBytes
    return at + count
  }

  private fill(frame: Buffer, chunk: Buffer, at: number): number {
    const count = Math.min(frame.length - this.filled, chunk.length - at)
    chunk.copy(frame, this.filled, at, at + count)
    this.filled += count
    if (this.filled === frame.length) {
      this.frame = undefined
      this.onFrame(frame)
    }
    return at + count
  }
}

const describe = (head: Buffer): string => {
  const isTls = head[0]! >= 0x14 && head[0]! <= 0x17 && head[1] === 3
  if (isTls) return "it speaks TLS: give the connection tls"
  const text = /^[\x20-\x7e]{4}$/.test(head.toString("latin1")) ? ` ("${head.toString("latin1")}")` : ""
  return `it sent an answer of ${
    head.readInt32BE(0)
  } bytes${text}, which no broker does: see that host and port are a Kafka broker's`
}
