/**
 * textFormat: the lines of a part. A line ends with "\n" or "\r\n", or with the file; it belongs to the part in whose range it
 * begins. A byte order mark at the beginning of a file is left out.
 *
 * The file is read in windows that end with a line, and a window decoded in pieces: short strings are cheap to cut, and the task
 * can give way between them. ASCII, the common case, is never decoded as UTF-8. A line longer than `maxLineBytes` fails; what is not UTF-8
 * is replaced by U+FFFD and told, or fails.
 */
import { Buffer, isAscii, isUtf8 } from "node:buffer"
import { Effect } from "effect"
import type { ChunkReader } from "../../core/dstream/InputDStream.ts"
import type { ByteStream } from "./decompression.ts"
import { FileError } from "./FileError.ts"
import type { PartReader } from "./PartReader.ts"

export interface TextFormat {
  readonly maxLineBytes: number
  readonly onInvalid: "replace" | "fail"
}

const newline = 10
const windowBytes = 4 * 1024 * 1024
const pieceBytes = 256 * 1024
/** Read at a time to find the end of a line. */
const searchBytes = 64 * 1024

/**
 * Where the part that is planned to begin at `position` begins: after the first line end at or after `position` - 1.
 * A part ends where the next one begins.
 */
export const boundary = Effect.fnUntraced(function* ({ fill, part: { length } }: PartReader, position: number) {
  if (position === 0 || position >= length) return Math.min(position, length)
  for (let at = position - 1; at < length; at += searchBytes) {
    const bytes = Buffer.allocUnsafe(Math.min(searchBytes, length - at))
    yield* fill(at, bytes)
    const found = bytes.indexOf(newline)
    if (found !== -1) return at + found + 1
  }
  return length
})

/** Whole lines; the last of a file or part need not be ended. */
interface Window {
  readonly bytes: Buffer
  /** Where they begin in `bytes`, and where they end. */
  readonly from: number
  readonly until: number
  /** Of `bytes` in the file. */
  readonly position: number
}

/** Undefined is the end. */
type Windows = Effect.Effect<Window | undefined, FileError>

/** Lines in the order of the file. */
export const readLines = (reader: PartReader, format: TextFormat): ChunkReader<string, FileError> =>
  linesIn(windowsOfPart(reader, format), reader.part.path, format)

/** The lines of a file that is decompressed. */
export const readLinesOf = (contents: ByteStream, path: string, format: TextFormat): ChunkReader<string, FileError> =>
  linesIn(windowsOfStream(contents, path, format), path, format)

const windowsOfPart = (reader: PartReader, format: TextFormat): Windows => {
  let buffer = Buffer.alloc(0)
  /** What is left of the part to read; undefined: its boundaries are not known. */
  let position: number | undefined
  let end = 0

  const open = Effect.fnUntraced(function* () {
    end = yield* boundary(reader, reader.part.to)
    const start = yield* boundary(reader, reader.part.from)
    buffer = Buffer.allocUnsafeSlow(Math.min(windowBytes, Math.max(0, end - start)))
    return start
  })

  /** The next window, up to the last line end in it. */
  const next = Effect.fnUntraced(function* () {
    position ??= yield* open()
    while (position < end) {
      const bytes = buffer.subarray(0, Math.min(buffer.byteLength, end - position))
      yield* reader.fill(position, bytes)
      const until = position + bytes.byteLength === end ? bytes.byteLength : bytes.lastIndexOf(newline) + 1
      const window = windowOf(bytes, until, position)
      position += until
      if (until > 0) return window
      if (bytes.byteLength > format.maxLineBytes) return yield* tooLong(reader.part.path, position, format)
      buffer = Buffer.allocUnsafeSlow(Math.min(2 * bytes.byteLength, format.maxLineBytes + 1))
    }
    return undefined
  })
  return Effect.suspend(next)
}

const windowsOfStream = (contents: ByteStream, path: string, format: TextFormat): Windows => {
  /** A line whose end has not come. */
  let line: Array<Uint8Array> = []
  let lineBytes = 0
  let position = 0
  const windowUntil = (bytes: Buffer, until: number): Window => {
    const window = Buffer.concat([...line, bytes.subarray(0, until)])
    line = [bytes.subarray(until)]
    lineBytes = bytes.byteLength - until
    position += window.byteLength
    return windowOf(window, window.byteLength, position - window.byteLength)
  }
  const next = Effect.fnUntraced(function* () {
    while (true) {
      const more = yield* contents.next
      if (more === undefined) return lineBytes === 0 ? undefined : windowUntil(Buffer.alloc(0), 0)
      const bytes = Buffer.from(more.buffer, more.byteOffset, more.byteLength)
      const until = bytes.lastIndexOf(newline) + 1
      if (until > 0) return windowUntil(bytes, until)
      line.push(bytes)
      lineBytes += bytes.byteLength
      if (lineBytes > format.maxLineBytes) return yield* tooLong(path, position, format)
    }
  })
  return Effect.suspend(next)
}

const windowOf = (bytes: Buffer, until: number, position: number): Window => ({
  bytes,
  from: position === 0 ? byteOrderMarkOf(bytes) : 0,
  until,
  position
})

const linesIn = (windows: Windows, path: string, format: TextFormat): ChunkReader<string, FileError> => {
  const decode = makeDecoder(path, format)
  const longestPiece = Math.min(pieceBytes, format.maxLineBytes)

  /** A piece of whole lines from `at`: those that fit, or one. */
  const pieceEnd = ({ bytes, until }: Window, at: number): number => {
    if (until - at <= longestPiece) return until
    const fitting = bytes.lastIndexOf(newline, at + longestPiece) + 1
    return fitting > at ? fitting : lineEnd(bytes, at, until)
  }
  let window: Window | undefined
  /** What is left of the window begins there. */
  let at = 0

  const next = Effect.fnUntraced(function* () {
    if (window === undefined || at >= window.until) {
      window = yield* windows
      at = window?.from ?? 0
    }
    if (window === undefined || at >= window.until) return undefined
    const end = pieceEnd(window, at)
    // Only a piece of one line can be as long.
    if (lineBytes(window.bytes, at, end) > format.maxLineBytes) {
      return yield* tooLong(path, window.position + at, format)
    }
    const piece = window.bytes.subarray(at, end)
    at = end
    return yield* decode(piece)
  })
  return { next: Effect.suspend(next) }
}

const lineEnd = (window: Buffer, at: number, until: number): number => {
  const found = window.subarray(at, until).indexOf(newline)
  return found === -1 ? until : at + found + 1
}

/** Without its "\n". */
const lineBytes = (window: Buffer, at: number, next: number): number =>
  next - at - (window[next - 1] === newline ? 1 : 0)

const byteOrderMark = Buffer.from("\uFEFF")
const byteOrderMarkOf = (bytes: Buffer): number =>
  bytes.subarray(0, byteOrderMark.byteLength).equals(byteOrderMark) ? byteOrderMark.byteLength : 0

const makeDecoder = (path: string, { onInvalid }: TextFormat) => {
  let told = false
  return (bytes: Buffer): Effect.Effect<ReadonlyArray<string>, FileError> => {
    if (isAscii(bytes)) return Effect.succeed(linesOf(bytes.toString("latin1")))
    const lines = linesOf(bytes.toString("utf8"))
    if (isUtf8(bytes)) return Effect.succeed(lines)
    const first = lines.findIndex((line) => line.includes("\uFFFD"))
    const shown = JSON.stringify(lines[first]?.slice(0, 60))
    const message = `The file ${path} is not text in UTF-8, first at the line ${shown}`
    if (onInvalid === "fail") {
      const remedy = `convert it, keep it out with a filter, or set onInvalid: "replace"`
      return Effect.fail(new FileError({ reason: "NotText", path, message: `${message}: ${remedy}` }))
    }
    if (told) return Effect.succeed(lines)
    told = true
    return Effect.as(Effect.logWarning(`${message}; what is invalid is read as U+FFFD`), lines)
  }
}

const linesOf = (text: string): ReadonlyArray<string> => {
  const lines = text.split("\n")
  if (lines[lines.length - 1] === "") lines.pop()
  return text.includes("\r") ? lines.map((line) => line.endsWith("\r") ? line.slice(0, -1) : line) : lines
}

const tooLong = (path: string, position: number, { maxLineBytes }: TextFormat) =>
  Effect.fail(
    new FileError({
      reason: "LineTooLong",
      path,
      message:
        `The file ${path} has a line of more than ${maxLineBytes} bytes, at byte ${position}: raise maxLineBytes, ` +
        "or keep the file out with a filter"
    })
  )
