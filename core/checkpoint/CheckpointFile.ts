/**
 * CheckpointFile: a checkpoint as bytes: a line of text that says what it is, how long and with which check sum, then the body.
 *
 * The line is `dstreams checkpoint FORMAT LENGTH CHECKSUM`. The body is plain data in the codec's form. Reading trusts nothing: what
 * is not whole, of another format, or has not the shape of a checkpoint, is a sentence that says so.
 */
import { Result, Schema } from "effect"
import { describeError } from "../protocol/describeError.ts"
import type { RecordCodec } from "../protocol/RecordCodec.ts"
import type { Checksum } from "../wal/crc32.ts"
import { Checkpoint, formatVersion } from "./Checkpoint.ts"

/** Longest first line. */
const headerBytesMax = 100

export const encode = (checkpoint: Checkpoint, codec: RecordCodec, checksum: Checksum): Uint8Array => {
  const body = new Uint8Array(codec.encode(checkpoint))
  const header = new TextEncoder().encode(
    `dstreams checkpoint ${formatVersion} ${body.byteLength} ${checksum(body).toString(16)}\n`
  )
  const bytes = new Uint8Array(header.byteLength + body.byteLength)
  bytes.set(header)
  bytes.set(body, header.byteLength)
  return bytes
}

const decodeBody = Schema.decodeUnknownResult(Checkpoint)

const isWhole = (value: unknown, least: number, most: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most

/** What no driver writes. */
const mistakeOf = ({ asked, log, run, time, tracker }: Checkpoint): string | undefined => {
  const { manifest: { batchMillis }, settings, zeroTime } = run
  if (!isWhole(batchMillis, 1, 2 ** 31)) return `a batch of ${batchMillis} ms`
  const { batches, lastBatch = zeroTime } = tracker
  for (const times of [[time], [lastBatch], asked.map(([at]) => at), batches.map(([at]) => at)]) {
    const wrong = times.find((at, i) => !isBatchTime(at, run) || at <= (times[i - 1] ?? -Infinity))
    if (wrong !== undefined) {
      return `a batch of ${wrong} ms, where batches of ${batchMillis} ms grow from ${zeroTime} ms`
    }
  }
  const newest = Math.max(asked.at(-1)?.[0] ?? zeroTime, batches.at(-1)?.[0] ?? zeroTime)
  if (newest > lastBatch) return `a batch of ${newest} ms after the last one, of ${lastBatch} ms`
  if (!isWhole(log.segment, 1, 2 ** 40) || !isWhole(log.offset, 0, 2 ** 40)) return `segment ${log.segment} of a log`
  const { defaultParallelism = 1 } = settings
  return isWhole(defaultParallelism, 1, 65_536) ? undefined : `${String(defaultParallelism)} partitions`
}

/** Batches are whole batch durations after zero time. */
export const isBatchTime = (time: number, { manifest: { batchMillis }, zeroTime }: Checkpoint["run"]): boolean =>
  time >= zeroTime && (time - zeroTime) % batchMillis === 0

/** Fails with what is wrong with it. */
export const decode = (
  bytes: Uint8Array,
  codec: RecordCodec,
  checksum: Checksum
): Result.Result<Checkpoint, string> => {
  const end = bytes.subarray(0, headerBytesMax).indexOf(10)
  const words = end < 0 ? [] : new TextDecoder().decode(bytes.subarray(0, end)).split(" ")
  const [name, what, format, length, sum] = words
  if (name !== "dstreams" || what !== "checkpoint") return Result.fail("it does not begin as a checkpoint does")
  if (format !== String(formatVersion)) {
    return Result.fail(
      `it has format ${format}, and this version of dstreams reads format ${formatVersion}: use the version that wrote it, or a later one`
    )
  }
  const body = bytes.slice(end + 1)
  if (String(body.byteLength) !== length) {
    return Result.fail(`it is cut short or too long: ${body.byteLength} bytes, and not ${length}`)
  }
  if (checksum(body).toString(16) !== sum) return Result.fail("its check sum does not fit: bytes of it have changed")
  try {
    return Result.flatMap(
      Result.mapError(decodeBody(codec.decode(body.buffer as ArrayBuffer)), (error) => error.message),
      (checkpoint) => {
        const mistake = mistakeOf(checkpoint)
        return mistake === undefined ? Result.succeed(checkpoint) : Result.fail(`what it says cannot be: ${mistake}`)
      }
    )
  } catch (error) {
    return Result.fail(`it cannot be decoded: ${describeError(error)}`)
  }
}
