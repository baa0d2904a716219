/**
 * readLog: torn tails are left out and told, damage is an error that names file and byte, and no record is ever read that was not
 * written.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { headerBytes, recordHeaderBytes } from "../../core/wal/Group.ts"
import { segmentName } from "../../core/wal/LogPosition.ts"
import { type MemoryStorage, memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import { readLog, readRecord } from "../../runtime/storage/readLog.ts"
import type { StableStorage } from "../../runtime/storage/StableStorage.ts"
import { it } from "../kit.ts"
import { bytesOf, textOf } from "./contract.ts"
import { numbers, openLog, prefix, readTexts, writeLog } from "./logs.ts"

const nameOf = (segment: number) => segmentName(prefix, segment)

const damageOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    const damaged = error as {
      readonly _tag: string
      readonly file: string
      readonly offset: number
      readonly message: string
    }
    assert.equal(damaged._tag, "LogDamaged")
    assert.match(
      damaged.message,
      /^[^ ]+ in memory is damaged at byte [^ ]+: .*put back the file as it was written, from a copy/
    )
    return damaged
  })

/** A storage with a file of a log as it is, or changed. */
const withFile = Effect.fnUntraced(
  function* (from: StableStorage, changed: Readonly<Record<string, Uint8Array | undefined>>) {
    const storage = memoryStorage()
    for (const name of yield* from.list("")) {
      const bytes = Object.hasOwn(changed, name) ? changed[name] : yield* from.read(name)
      if (bytes !== undefined) storage.put(name, bytes)
    }
    return storage
  }
)

/** Three segments of three groups; the last group has two records. */
const groups = [["1"], ["2"], ["3"], ["4"], ["5", "6"], ["7"], ["8"], ["9"], ["10", "eleven"]]
const texts = groups.flat()
const nineGroups = Effect.gen(function* () {
  const storage = memoryStorage()
  yield* writeLog(storage, groups, { rollBytes: 200 })
  const read = yield* readTexts(storage)
  assert.deepEqual(read.segments.map(({ segment }) => segment), [1, 2, 3])
  return { storage, read }
})

it("a log that is read while its writer goes on gives what was there and a beginning of what came since", () =>
  Effect.gen(function* () {
    for (const appends of [true, false]) {
      for (let before = 1; before < 20; before++) {
        for (const burst of [1, 2, 3, 5]) {
          const storage = memoryStorage({ appends })
          const log = yield* openLog(storage, { rollBytes: 200 })
          let written = 0
          const write = Effect.orDie(Effect.suspend(() => log.append([bytesOf(`${++written}`)])))
          yield* Effect.repeat(write, { times: before - 1 })
          /** What is asked is answered, and then the writer goes on. */
          const goOn = Effect.suspend(() => written < 60 ? Effect.repeat(write, { times: burst - 1 }) : Effect.void)
          const read = yield* readTexts({
            ...storage,
            read: (name, range) => Effect.tap(storage.read(name, range), goOn),
            size: (name) => Effect.tap(storage.size(name), goOn),
            list: (prefix) => Effect.tap(storage.list(prefix), goOn)
          })
          assert.ok(read.texts.length >= before, `${read.texts.length} of ${before}`)
          assert.deepEqual(read.texts, numbers(1, read.texts.length))
          yield* log.close
        }
      }
    }
  }))

it("garbage after the last record is left out and told, and so is a last group that lacks a byte", () =>
  Effect.gen(function* () {
    const { storage } = yield* nineGroups
    const good = (yield* storage.read(nameOf(3)))!
    const line = bytesOf("This line appended to file!")
    const longer = yield* readTexts(yield* withFile(storage, { [nameOf(3)]: Uint8Array.from([...good, ...line]) }))
    assert.deepEqual(longer.texts, texts)
    assert.deepEqual(longer.torn.map(({ file, offset }) => [file, offset]), [[nameOf(3), good.length]])
    assert.match(longer.torn[0]!.reason, /a header is cut short: 27 of 60 bytes/)
    const shorter = yield* readTexts(yield* withFile(storage, { [nameOf(3)]: good.subarray(0, -1) }))
    assert.deepEqual(shorter.texts, texts.slice(0, -2))
    assert.deepEqual(shorter.segments.at(-1), { segment: 3, length: shorter.end.offset })
    assert.match(shorter.torn[0]!.reason, /a group is cut short/)
  }))

it("a log cut at any byte of its last segment gives a beginning, a whole group at a time, and tells of the rest", () =>
  Effect.gen(function* () {
    const { storage } = yield* nineGroups
    const last = (yield* storage.read(nameOf(3)))!
    const beginnings = new Set<string>()
    for (let length = 0; length < last.length; length++) {
      const read = yield* readTexts(yield* withFile(storage, { [nameOf(3)]: last.subarray(0, length) }))
      assert.deepEqual(read.texts, texts.slice(0, read.texts.length))
      assert.equal(read.torn.length, read.segments[2]!.length === length ? 0 : 1, `cut at ${length}`)
      beginnings.add(`${read.texts.length}`)
    }
    assert.deepEqual([...beginnings], ["7", "8", "9"])
  }))

it("a segment that is cut short is damage as soon as a group of a later one shows that it was whole", () =>
  Effect.gen(function* () {
    const { storage } = yield* nineGroups
    for (const segment of [1, 2]) {
      const whole = (yield* storage.read(nameOf(segment)))!
      for (let length = 0; length < whole.length; length++) {
        const cut = yield* withFile(storage, { [nameOf(segment)]: whole.subarray(0, length) })
        const { file, message } = yield* damageOf(readTexts(cut))
        // a cut between two groups shows only in the group that comes next
        assert.ok(file === nameOf(segment) || file === nameOf(segment + 1))
        assert.match(message, /(groups? \d+( to \d+)?) (is gone|should come before it)/)
      }
    }
  }))

it("each single bit that flips is damage, or a torn tail in the last group, and never another record", () =>
  Effect.gen(function* () {
    const { read, storage } = yield* nineGroups
    const lastGroup = read.records.at(-2)!.position.offset - headerBytes - recordHeaderBytes
    for (const segment of [1, 2, 3]) {
      const good = (yield* storage.read(nameOf(segment)))!
      const copy = yield* withFile(storage, {})
      for (let bit = 0; bit < good.length * 8; bit++) {
        const flip = () => copy.alter(nameOf(segment), (bytes) => void (bytes[bit >> 3]! ^= 1 << (bit & 7)))
        flip()
        const result = yield* Effect.result(readTexts(copy))
        flip()
        if (result._tag === "Failure") {
          assert.equal(result.failure._tag, "LogDamaged")
          continue
        }
        assert.ok(segment === 3 && bit >> 3 >= lastGroup, `bit ${bit} of segment ${segment} is told`)
        assert.deepEqual(result.success.texts, texts.slice(0, -2))
        assert.equal(result.success.torn.length, 1)
      }
    }
  }))

it("damage names the file and the byte of the record, or of the header, that is not as it was", () =>
  Effect.gen(function* () {
    const { read, storage } = yield* nineGroups
    const { position } = read.records[4]!
    const flipped = (at: number) =>
      Effect.map(withFile(storage, {}), (copy) => {
        copy.alter(position.file, (bytes) => void (bytes[at]! ^= 1))
        return copy
      })
    const inBody = yield* damageOf(readTexts(yield* flipped(position.offset)))
    assert.deepEqual([inBody.file, inBody.offset], [position.file, position.offset - recordHeaderBytes])
    assert.match(inBody.message, /the check sum of a record is wrong, and group 5 is gone/)
    const inHeader = yield* damageOf(readTexts(yield* flipped(position.offset - recordHeaderBytes - 1)))
    assert.deepEqual([inHeader.file, inHeader.offset], [
      position.file,
      position.offset - recordHeaderBytes - headerBytes
    ])
  }))

it("a place that is not a record's is refused, and nonsense reserves no memory", () =>
  Effect.gen(function* () {
    const { read, storage } = yield* nineGroups
    const { file, length, offset } = read.records[6]!.position
    const wrong = [
      { offset: offset + 1, length },
      { offset: offset - 1, length },
      { offset, length: length + 1 },
      { offset, length: length - 1 },
      { offset, length: 2 ** 40 },
      { offset, length: -1 },
      { offset: 2 ** 40, length },
      { offset: -1, length },
      { offset: 0.5, length },
      { offset: NaN, length },
      { offset: 0, length },
      { offset: headerBytes, length }
    ]
    for (const place of wrong) yield* damageOf(readRecord(storage, { file, ...place }))
    const gone = yield* damageOf(readRecord(storage, { file: "epochs/00000009/log/00000001", offset, length }))
    assert.match(gone.message, /the file is not there/)
    const odd = yield* Effect.flip(readRecord(storage, { file: "../secret", offset, length }))
    assert.equal(odd._tag === "StorageError" && odd.reason, "Invalid")
    assert.equal(textOf(yield* readRecord(storage, { file, offset, length })), texts[6])
  }))

it("a log that is shorter than the place to read from, or than what was sealed of it, is damaged", () =>
  Effect.gen(function* () {
    const { read, storage } = yield* nineGroups
    const last = (yield* storage.read(nameOf(3)))!
    const cut = yield* withFile(storage, { [nameOf(3)]: last.subarray(0, -1) })
    const short = yield* damageOf(readTexts(cut, { from: read.end }))
    assert.deepEqual([short.file, short.offset], [nameOf(3), read.end.offset])
    assert.match(short.message, /to be read from here on, and the file ends at byte \d+/)
    const gone = yield* withFile(storage, { [nameOf(3)]: undefined })
    assert.match((yield* damageOf(readTexts(gone, { from: read.end }))).message, /the file is not there/)
    const sealed = yield* damageOf(readTexts(cut, { sealed: read.segments }))
    assert.match(sealed.message, /\d+ bytes of it were there and accepted/)
    const without = yield* damageOf(readTexts(storage, { sealed: read.segments.slice(0, 2), from: read.end }))
    assert.match(without.message, /only 0 bytes of it were accepted/)
    const flipped = yield* withFile(storage, {})
    flipped.alter(nameOf(3), (bytes) => void (bytes[bytes.length - 1]! ^= 1))
    // without the seal it would be a torn tail
    assert.equal((yield* readTexts(flipped)).torn.length, 1)
    assert.match((yield* damageOf(readTexts(flipped, { sealed: read.segments }))).message, /wrong, and it was whole/)
  }))

it("of a sealed log just what was accepted is read, whatever a zombie writes later", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const zombie = yield* openLog(storage, { rollBytes: 300 })
    for (const text of numbers(1, 10)) yield* zombie.append([bytesOf(text)])
    const { segments } = yield* readTexts(storage)
    for (const text of numbers(11, 30)) yield* zombie.append([bytesOf(text)])
    assert.deepEqual((yield* readTexts(storage, { sealed: segments })).texts, numbers(1, 10))
    assert.deepEqual((yield* readTexts(storage, { sealed: [] })).texts, [])
    assert.deepEqual((yield* readTexts(storage)).texts, numbers(1, 30))
    const from = { segment: 2, offset: 0 }
    const rest = yield* readTexts(storage, { sealed: segments, from })
    assert.deepEqual(rest.texts, numbers(1, 10).slice(-rest.texts.length))
    assert.equal(rest.records[0]!.segment, 2)
  }))

it("reading from any place gives the records whose bodies begin behind it", () =>
  Effect.gen(function* () {
    const { read, storage } = yield* nineGroups
    for (let segment = 1; segment <= 3; segment++) {
      const size = (yield* storage.size(nameOf(segment)))!
      for (let offset = 0; offset <= size; offset++) {
        const expected = read.records.filter((record) =>
          record.segment > segment || (record.segment === segment && record.position.offset >= offset)
        )
        const { records } = yield* readTexts(storage, { from: { segment, offset } })
        assert.deepEqual(records.map(({ position }) => position), expected.map(({ position }) => position))
      }
    }
  }))

it("what is damaged before the place to read from is of no matter", () =>
  Effect.gen(function* () {
    const { storage } = yield* nineGroups
    const from = { segment: 2, offset: (yield* storage.size(nameOf(2)))! }
    storage.alter(nameOf(1), (bytes) => void bytes.fill(0))
    for (let at = 0; at < from.offset; at++) {
      storage.alter(nameOf(2), (bytes) => void (bytes[at]! ^= 255))
      assert.deepEqual((yield* readTexts(storage, { from })).texts, texts.slice(-4))
    }
    // what follows the place is not told from a torn tail, and may have been a group
    storage.put(nameOf(2), new Uint8Array(from.offset + 100))
    yield* damageOf(readTexts(storage, { from }))
  }))

it("a segment that is missing before others is damage, also where lists are late or show what was removed", () =>
  Effect.gen(function* () {
    const { storage } = yield* nineGroups
    const gap = yield* withFile(storage, { [nameOf(2)]: undefined })
    const missing = yield* damageOf(readTexts(gap))
    assert.deepEqual([missing.file, missing.offset], [nameOf(2), 0])
    assert.match(missing.message, /the file is not there, although epochs\/00000001\/log\/00000003 is/)
    const late: StableStorage = { ...storage, list: () => Effect.succeed([]) }
    assert.deepEqual((yield* readTexts(late)).texts, texts)
    const stale: StableStorage = {
      ...storage,
      list: () => Effect.succeed([nameOf(3), nameOf(4), nameOf(5), nameOf(99_999)])
    }
    assert.deepEqual((yield* readTexts(stale)).texts, texts)
    const first = yield* withFile(storage, { [nameOf(1)]: undefined })
    const shown: StableStorage = { ...first, list: storage.list }
    assert.deepEqual((yield* readTexts(shown)).texts, texts.slice(3))
  }))

it("files that are no segments of the log are passed over", () =>
  Effect.gen(function* () {
    const { storage } = yield* nineGroups
    for (
      const name of ["x", "0000001", "000000004", "00000000", "00000005.bak", "00000004/x", "log-1-2", "9".repeat(20)]
    ) {
      storage.put(`${prefix}/${name}`, bytesOf("foreign"))
    }
    assert.deepEqual((yield* readTexts(storage)).texts, texts)
  }))

it("groups of another log, or of another segment, count for nothing, and where they hide groups that is damage", () =>
  Effect.gen(function* () {
    const { storage } = yield* nineGroups
    const other = memoryStorage()
    yield* writeLog(other, groups, { rollBytes: 200 })
    const theirs = (yield* other.read(nameOf(2)))!
    const second = (yield* storage.read(nameOf(2)))!
    const swapped = yield* damageOf(readTexts(yield* withFile(storage, { [nameOf(2)]: theirs })))
    assert.match(swapped.message, /a group of another log/)
    const doubled = yield* withFile(storage, { [nameOf(3)]: second })
    const read = yield* readTexts(doubled)
    assert.deepEqual(read.texts, texts.slice(0, read.texts.length))
    assert.match(read.torn[0]!.reason, /a group of segment 2/)
  }))

it("records that hold a copy of their own log are records and nothing else", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const log = yield* openLog(storage)
    yield* log.append([bytesOf("1")])
    for (let i = 0; i < 5; i++) {
      const copy = (yield* storage.read(nameOf(1)))!
      const [place] = yield* log.append([copy])
      assert.deepEqual(yield* readRecord(storage, place!), copy)
    }
    const whole = (yield* storage.read(nameOf(1)))!
    assert.equal((yield* readLog(storage, prefix)).records.length, 6)
    for (let cut = 1; cut < 1000; cut += 7) {
      const torn = yield* readLog(yield* withFile(storage, { [nameOf(1)]: whole.subarray(0, -cut) }), prefix)
      assert.equal(torn.records.length, 5)
      assert.equal(torn.torn.length, 1)
    }
  }))

it("a log of a later version of the format is told from damage", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    yield* writeLog(storage, [["1"]])
    const { crc32 } = yield* Effect.promise(() => import("../../core/wal/crc32.ts"))
    storage.alter(nameOf(1), (bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset)
      view.setUint16(4, 3, true)
      view.setUint32(headerBytes - 4, crc32(bytes.subarray(0, headerBytes - 4)), true)
    })
    const { message } = yield* damageOf(readTexts(storage))
    assert.match(
      message,
      /it is of version 3 of the format, and this program reads version 2: take the one that wrote it/
    )
  }))

/** Two groups of a text of one character in a segment. */
const inTwos = { rollBytes: 2 * (headerBytes + recordHeaderBytes + 1) }

/** Takes the second group away, as if it had never been there. */
const loseSecond = Effect.fnUntraced(function* (storage: MemoryStorage) {
  const bytes = yield* storage.read(nameOf(1))
  assert.equal(bytes?.length, inTwos.rollBytes)
  storage.put(nameOf(1), bytes!.slice(0, inTwos.rollBytes / 2))
})

it("a group that is gone without a trace is damage, also right behind the place that is read from", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    yield* writeLog(storage, numbers(1, 4).map((text) => [text]), inTwos)
    const from = { segment: 1, offset: inTwos.rollBytes / 2 }
    assert.deepEqual((yield* readTexts(storage, { from })).texts, numbers(2, 4))
    yield* loseSecond(storage)
    yield* damageOf(readTexts(storage, { from }))
    yield* damageOf(readTexts(storage))
  }))

it("of a log that syncs on rolling, what was there at the last roll was durable: its loss is damage", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    yield* writeLog(storage, numbers(1, 4).map((text) => [text]), { ...inTwos, sync: "onRoll" })
    yield* loseSecond(storage)
    yield* damageOf(readTexts(storage))
  }))
