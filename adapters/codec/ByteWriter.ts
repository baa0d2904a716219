/**
 * ByteWriter and ByteReader: a growing buffer that is used again for each message, and a cursor over a received one.
 *
 * Numbers are little-endian on every platform the engine runs on. `finish` gives a fresh ArrayBuffer of exactly the
 * message's size, which can be transferred; a buffer that has grown past `keptMax` is let go after its message.
 * A reader that would run past the end throws a Damage: the message was cut.
 */
import { Damage } from "./DamagedData.ts"

/** The largest buffer kept between messages. */
const keptMax = 4 * 1024 * 1024
const firstSize = 64 * 1024
/** Texts up to this length are written here where they are ASCII: to call the platform's codec takes longer. */
const shortTextMax = 32
/** Read are those up to this length: what is put together of more characters V8 keeps as a tree of its pieces. */
const flatTextMax = 12
const utf8 = new TextEncoder()

export class ByteWriter {
  private bytes = new Uint8Array(firstSize)
  private view = new DataView(this.bytes.buffer)
  private position = 0

  /** Starts a message; what an earlier one left behind after an error is dropped. */
  start(): void {
    this.position = 0
  }

  finish(): ArrayBuffer {
    const message = this.bytes.buffer.slice(0, this.position)
    if (this.bytes.length > keptMax) {
      this.bytes = new Uint8Array(firstSize)
      this.view = new DataView(this.bytes.buffer)
    }
    return message
  }

  private room(bytes: number): void {
    const needed = this.position + bytes
    if (needed <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2))
    grown.set(this.bytes.subarray(0, this.position))
    this.bytes = grown
    this.view = new DataView(grown.buffer)
  }

  byte(value: number): void {
    this.room(1)
    this.bytes[this.position++] = value
  }

  length(value: number): void {
    this.room(4)
    this.view.setUint32(this.position, value, true)
    this.position += 4
  }

  integer(value: number): void {
    this.room(4)
    this.view.setInt32(this.position, value, true)
    this.position += 4
  }

  double(value: number): void {
    this.room(8)
    this.view.setFloat64(this.position, value, true)
    this.position += 8
  }

  /** The bytes of a view, after padding to a multiple of 8: a reader can lay a typed array over them. */
  aligned(view: ArrayBufferView): void {
    this.room(view.byteLength + 8)
    while ((this.position & 7) !== 0) this.bytes[this.position++] = 0
    this.raw(new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
  }

  raw(bytes: Uint8Array): void {
    this.room(bytes.length)
    this.bytes.set(bytes, this.position)
    this.position += bytes.length
  }

  /** UTF-8 after its length in bytes; the text must be well formed. */
  text(text: string): void {
    this.room(4 + text.length * 3)
    const from = this.position + 4
    const written = this.ascii(text, from) ? text.length : utf8.encodeInto(text, this.bytes.subarray(from)).written
    this.view.setUint32(this.position, written, true)
    this.position = from + written
  }

  /** Writes a short text of ASCII; false for any other. */
  private ascii(text: string, from: number): boolean {
    if (text.length > shortTextMax) return false
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      if (unit >= 0x80) return false
      this.bytes[from + i] = unit
    }
    return true
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true })

export class ByteReader {
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private position = 0

  constructor(message: ArrayBuffer) {
    this.bytes = new Uint8Array(message)
    this.view = new DataView(message)
  }

  /** Goes on by so many bytes; answers where they begin. */
  private take(bytes: number): number {
    const from = this.position
    if (from + bytes > this.bytes.length) throw new Damage("it ends before it should")
    this.position += bytes
    return from
  }

  byte(): number {
    return this.bytes[this.take(1)]!
  }

  length(): number {
    return this.view.getUint32(this.take(4), true)
  }

  integer(): number {
    return this.view.getInt32(this.take(4), true)
  }

  double(): number {
    return this.view.getFloat64(this.take(8), true)
  }

  /** Where `bytes` bytes begin that were written by `aligned`. */
  aligned(bytes: number): { readonly buffer: ArrayBuffer; readonly offset: number } {
    this.take(-this.position & 7)
    return { buffer: this.bytes.buffer as ArrayBuffer, offset: this.take(bytes) }
  }

  raw(length: number): Uint8Array {
    const from = this.take(length)
    return this.bytes.subarray(from, from + length)
  }

  text(): string {
    const length = this.length()
    return (length <= flatTextMax ? this.ascii(length) : undefined) ?? decoder.decode(this.raw(length))
  }

  /** A text of ASCII; undefined, nothing taken, for any other. */
  private ascii(length: number): string | undefined {
    const from = this.take(length)
    let text = ""
    for (let i = from; i < from + length; i++) {
      const unit = this.bytes[i]!
      if (unit >= 0x80) {
        this.position = from
        return undefined
      }
      text += String.fromCharCode(unit)
    }
    return text
  }

  get offset(): number {
    return this.position
  }

  get size(): number {
    return this.bytes.length
  }

  /** Whether all of the message has been read. */
  get ended(): boolean {
    return this.position === this.bytes.length
  }
}
