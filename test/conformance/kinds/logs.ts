/**
 * Kinds walFiles and walBytes: records are written to a log at given times, and its files compared; the bytes of a file are encoded
 * and decoded.
 *
 * A file is told by when it was begun and when it is due to end, as Spark names its files; ours have numbers.
 */
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { crc32 } from "../../../core/wal/crc32.ts"
import { encodeRecords } from "../../../core/wal/Group.ts"
import { segmentOf } from "../../../core/wal/LogPosition.ts"
import { scanSegment } from "../../../core/wal/scanSegment.ts"
import { memoryStorage } from "../../../runtime/storage/memoryStorage.ts"
import * as WriteAheadLog from "../../../runtime/storage/WriteAheadLog.ts"
import { same } from "../compare.ts"
import { type Json, known, onlyFields, UnknownWord } from "../Vector.ts"
import { kind } from "./kind.ts"

const prefix = "log"

interface LogFile {
  readonly segment: number
  readonly startMs: number
  readonly endMs: number
  records: number
}

const nameOf = ({ endMs, startMs }: LogFile): string => `log-${startMs}-${endMs}`

export const walFiles = kind(
  ["params", "writesAtMs", "cleanBeforeMs", "expected"],
  Effect.fnUntraced(function* ({ params, writesAtMs, cleanBeforeMs, expected }) {
    onlyFields("params", params, ["rollingIntervalSecs", "closeFileAfterWrite"])
    const rollMillis = params.rollingIntervalSecs * 1000
    const storage = memoryStorage()
    const closeAfterWrite = params.closeFileAfterWrite
    const log = yield* WriteAheadLog.make({ storage, prefix, rollMillis, closeAfterWrite })
    const files = new Map<number, LogFile>()
    for (const time of writesAtMs) {
      yield* TestClock.setTime(time)
      const [place] = yield* log.append([new TextEncoder().encode(`${time}`)])
      const segment = segmentOf(prefix, place!.file)!
      const file = files.get(segment) ?? { segment, startMs: time, endMs: time + rollMillis, records: 0 }
      files.set(segment, { ...file, records: file.records + 1 })
    }
    const there = Effect.map(storage.list(prefix), (names) => names.map((name) => files.get(segmentOf(prefix, name)!)!))
    const before = yield* there
    if (cleanBeforeMs !== undefined) {
      const kept = before.find(({ endMs }) => endMs >= cleanBeforeMs)
      yield* log.dropBefore(kept?.segment ?? Infinity)
    }
    const after = yield* there
    const expectations: Readonly<Record<string, (value: Json) => void>> = {
      files: (value) => same("files", value, after.map((file) => ({ name: nameOf(file), records: file.records }))),
      filesBefore: (value) => same("files before", value, before.map(nameOf)),
      filesAfter: (value) => same("files after", value, after.map(nameOf))
    }
    for (const [word, value] of Object.entries(expected)) known("expectation", expectations, word)(value)
  })
)

const fromHex = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
const toHex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

export const walBytes = kind(
  ["records", "encoding", "expected", "cases"],
  ({ records, encoding, expected, cases = [] }) =>
    Effect.sync(() => {
      if (encoding !== "hex") throw new UnknownWord("encoding", encoding)
      if (records !== undefined) {
        onlyFields("expected", expected, ["fileHex", "places"])
        const { bytes, places } = encodeRecords(records.map(fromHex), crc32)
        same("the file", expected.fileHex, toHex(bytes))
        same("the places", expected.places, places)
      }
      for (const { fileHex, expect } of cases) {
        const bytes = fromHex(fileHex)
        const { pieces } = scanSegment({ bytes, segment: 1, log: undefined }, crc32)
        const read = pieces.flatMap((piece) => piece.kind === "Bad" ? [] : piece.records)
        same(
          `records of ${fileHex}`,
          expect,
          read.map(({ length, offset }) => toHex(bytes.slice(offset, offset + length)))
        )
      }
    })
)
