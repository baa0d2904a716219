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

/** Lines in the order of the file. */
export const readLines = (reader: PartReader, format: TextFormat): ChunkReader<string, FileError> => {
  const { path } = reader.part
  const decode = makeDecoder(path, format)
  const longestPiece = Math.min(pieceBytes, format.maxLineBytes)
  let window = Buffer.alloc(0)
  /** What is left of the window to decode. */
  let at = 0
  let until = 0
  /** What is left of the part to read; undefined: its boundaries are not known. */
  let position: number | undefined
  let end = 0

  const open = Effect.fnUntraced(function* () {
    position = yield* boundary(reader, reader.part.from)
    end = yield* boundary(reader, reader.part.to)
    window = Buffer.allocUnsafeSlow(Math.min(windowBytes, Math.max(0, end - position)))
  })

  /** The next window, up to the last line end in it. */
  const load = Effect.fnUntraced(function* () {
    if (position === undefined) yield* open()
    while (position! < end) {
      const bytes = Math.min(window.byteLength, end - position!)
      yield* reader.fill(position!, window.subarray(0, bytes))
      until = position! + bytes === end ? bytes : window.subarray(0, bytes).lastIndexOf(newline) + 1
      at = position === 0 ? byteOrderMarkOf(window.subarray(0, bytes)) : 0
      position! += until
      if (until > 0) return
      if (bytes > format.maxLineBytes) return yield* tooLong(path, position!, format)
      window = Buffer.allocUnsafeSlow(Math.min(2 * bytes, format.maxLineBytes + 1))
    }
  })

  /** A piece of whole lines: those that fit, or one. */
  const cut = (): Effect.Effect<ReadonlyArray<string>, FileError> => {
    let next = until
    if (until - at > longestPiece) {
      next = window.lastIndexOf(newline, at + longestPiece) + 1
      if (next <= at) next = lineEnd(window, at, until)
    }
    // Only a piece of one line can be as long.
    if (lineBytes(window, at, next) > format.maxLineBytes) return tooLong(path, position! - until + at, format)
    const piece = window.subarray(at, next)
    at = next
    return decode(piece)
  }

  const next: ChunkReader<string, FileError>["next"] = Effect.suspend(() => {
    if (at < until) return cut()
    return Effect.flatMap(load(), () => at < until ? cut() : Effect.undefined)
  })
  return { next }
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
