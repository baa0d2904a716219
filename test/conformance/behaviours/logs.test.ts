/**
 * Vectors in words of the area wal, on the real log.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Effect, Schema } from "effect"
import { stableDirectory } from "../../../adapters/storage/stableDirectory.ts"
import { ReceivedBlockTrackerLogEvent } from "../../../core/blocks/ReceivedBlockTrackerLogEvent.ts"
import { segmentName } from "../../../core/wal/LogPosition.ts"
import { memoryStorage } from "../../../runtime/storage/memoryStorage.ts"
import { readRecord } from "../../../runtime/storage/readLog.ts"
import { it } from "../../kit.ts"
import { bytesOf, textOf } from "../../storage/contract.ts"
import { numbers, openLog, prefix, readTexts, writeLog } from "../../storage/logs.ts"

const Event = Schema.fromJsonString(ReceivedBlockTrackerLogEvent)

const hundred = Effect.gen(function* () {
  const storage = memoryStorage()
  yield* writeLog(storage, numbers(1, 100).map((text) => [text]))
  return { storage, file: segmentName(prefix, 1), bytes: (yield* storage.read(segmentName(prefix, 1)))! }
})

it("three events of the tracker that share one append come back the same, in order", () =>
  Effect.gen(function* () {
    const info = { block: "input-0-1", stream: "s", attempt: 1, sequence: 1, records: 3, bytes: 9, locations: ["a"] }
    const events: ReadonlyArray<ReceivedBlockTrackerLogEvent> = [
      { kind: "BlockAddition", info },
      { kind: "BatchAllocation", time: 1000, blocks: [["s", [info]], ["t", []]] },
      { kind: "BatchCleanup", times: [0, 1000] }
    ]
    const storage = memoryStorage()
    yield* writeLog(storage, [events.map((event) => Schema.encodeSync(Event)(event))])
    const { texts } = yield* readTexts(storage)
    assert.deepEqual(texts.map((text) => Schema.decodeUnknownSync(Event)(text)), events)
    assert.equal(storage.journal.filter(({ call }) => call === "append").length, 1)
  }))

it.live("a log that writes nothing makes no directory, and reading a place in another file makes none", () =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "dstreams-log-"))),
      (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
    )
    const other = memoryStorage()
    const [place] = yield* (yield* openLog(other)).append([bytesOf("a record")])
    const directory = path.join(folder, "log")
    const log = yield* openLog(yield* stableDirectory(directory))
    assert.equal(textOf(yield* readRecord(other, place!)), "a record")
    yield* log.close
    assert.ok(!fs.existsSync(directory))
  }))

it("a file of 100 records with garbage behind them gives all, and without its last byte all but the last", () =>
  Effect.gen(function* () {
    const { bytes, file, storage } = yield* hundred
    storage.put(file, Uint8Array.from([...bytes, ...bytesOf("This line appended to file!")]))
    assert.deepEqual((yield* readTexts(storage)).texts, numbers(1, 100))
    storage.put(file, bytes.subarray(0, -1))
    assert.deepEqual((yield* readTexts(storage)).texts, numbers(1, 99))
  }))

it("a file of 100 records is read to its end, and behind the end there is none", () =>
  Effect.gen(function* () {
    const { bytes, file, storage } = yield* hundred
    const { end, texts } = yield* readTexts(storage)
    assert.deepEqual(texts, numbers(1, 100))
    assert.deepEqual(end, { segment: 1, offset: bytes.length })
    assert.deepEqual((yield* readTexts(storage, { from: end })).texts, [])
    const error = yield* Effect.flip(readRecord(storage, { file, offset: bytes.length + 68, length: 1 }))
    assert.equal(error._tag, "LogDamaged")
  }))
