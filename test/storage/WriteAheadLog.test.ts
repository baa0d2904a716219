/**
 * WriteAheadLog: what is acknowledged is there, once and in order, whatever storage does meanwhile; what it costs.
 */
import * as assert from "node:assert/strict"
import { Effect, Fiber, Logger } from "effect"
import { TestClock } from "effect/testing"
import { segmentName } from "../../core/wal/LogPosition.ts"
import { memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import { readRecord } from "../../runtime/storage/readLog.ts"
import { it } from "../kit.ts"
import { bytesOf, textOf } from "./contract.ts"
import { numbers, openLog, prefix, readTexts, writeLog } from "./logs.ts"
import { scriptedStorage } from "./scriptedStorage.ts"

it("an append gives the places of its records, and each is read at once, by its place, in any order", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const log = yield* openLog(storage)
    const texts = numbers(1, 100)
    const places = []
    for (const text of texts) {
      const [place] = yield* log.append([bytesOf(text)])
      assert.equal(textOf(yield* readRecord(storage, place!)), text)
      places.push(place!)
    }
    for (let turn = 0; turn < 10; turn++) {
      for (let i = 0; i < 100; i++) {
        const at = (i * 37 + turn * 11) % 100
        assert.equal(textOf(yield* readRecord(storage, places[at]!)), texts[at])
      }
    }
    const several = yield* log.append(["a", "", "ccc"].map(bytesOf))
    assert.deepEqual(several.map(({ length }) => length), [1, 0, 3])
    for (const [i, place] of several.entries()) {
      assert.equal(textOf(yield* readRecord(storage, place)), ["a", "", "ccc"][i])
    }
  }))

it("another log object reads all that an earlier one wrote, in order, from more than one segment", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const log = yield* openLog(storage, { rollMillis: 1000 })
    for (const text of numbers(1, 100)) {
      yield* TestClock.adjust(500)
      yield* log.append([bytesOf(text)])
    }
    yield* log.close
    const read = yield* readTexts(storage)
    assert.deepEqual(read.texts, numbers(1, 100))
    assert.ok(read.segments.length > 10, `${read.segments.length} segments`)
    assert.deepEqual(read.torn, [])
    assert.deepEqual(read.end, log.end())
  }))

it("segments are read in the order of their numbers, whatever their count", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const groups = Array.from({ length: 120 }, (_, i) => [`${i} first`, `${i} second`])
    yield* writeLog(storage, groups, { rollBytes: 1 })
    assert.equal((yield* storage.list("")).length, 120)
    assert.deepEqual((yield* readTexts(storage)).texts, groups.flat())
  }))

it("what is appended while a group is written shares the next one, its one write and its one sync", () =>
  Effect.gen(function* () {
    const { begun, gate, memory, script, storage } = scriptedStorage()
    const log = yield* openLog(storage)
    script.push("done", "held")
    const appends = yield* Effect.forEach(numbers(1, 200), (text) => Effect.forkChild(log.append([bytesOf(text)])))
    yield* TestClock.adjust(1)
    assert.equal(begun.filter(({ call }) => call === "append").length, 1)
    yield* gate.open
    const places = (yield* Effect.forEach(appends, Fiber.join)).flat()
    assert.equal(begun.filter(({ call }) => call === "append").length, 2)
    // opening the segment, and two groups
    assert.equal(memory.syncs(), 3)
    const read = yield* readTexts(storage)
    assert.deepEqual(read.texts, numbers(1, 200))
    assert.deepEqual(read.records.map(({ position }) => position), places)
  }))

it("a segment that is older or larger than it may be takes no more groups; an idle log makes none", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const log = yield* openLog(storage, { rollMillis: 1000, rollBytes: 300 })
    const segmentsOf = Effect.map(readTexts(storage), ({ records }) => records.map(({ segment }) => segment))
    yield* log.append([bytesOf("opens")])
    yield* TestClock.adjust(1000)
    yield* log.append([bytesOf("as old as it may be")])
    yield* TestClock.adjust(1)
    yield* log.append([bytesOf("older")])
    yield* TestClock.adjust("1 hour")
    assert.equal((yield* storage.list("")).length, 2)
    yield* log.append([bytesOf("x".repeat(400))])
    yield* log.append([bytesOf("too large")])
    assert.deepEqual(yield* segmentsOf, [1, 1, 2, 3, 4])
  }))

it("offered records are in order with appends, written with the next one or some time later", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const log = yield* openLog(storage, { offerMillis: 50 })
    const texts = Effect.map(readTexts(storage), ({ texts }) => texts)
    log.offer(bytesOf("1"))
    log.offer(bytesOf("2"))
    yield* TestClock.adjust(40)
    assert.deepEqual(yield* texts, [])
    const [place] = yield* log.append([bytesOf("3")])
    assert.equal(textOf(yield* readRecord(storage, place!)), "3")
    assert.deepEqual(yield* texts, ["1", "2", "3"])
    assert.equal(storage.syncs(), 2)
    log.offer(bytesOf("4"))
    yield* TestClock.adjust(50)
    assert.deepEqual(yield* texts, ["1", "2", "3", "4"])
    log.offer(bytesOf("5"))
    assert.deepEqual(yield* log.append([]), [])
    assert.deepEqual(yield* texts, numbers(1, 5))
    log.offer(bytesOf("6"))
    yield* log.close
    assert.deepEqual(yield* texts, numbers(1, 6))
  }))

it("a log that never offers or appends makes nothing", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    yield* writeLog(storage, [])
    yield* writeLog(storage, [[]])
    assert.deepEqual(storage.journal, [])
    const read = yield* readTexts(storage)
    assert.deepEqual([read.texts, read.segments, read.end], [[], [], { segment: 1, offset: 0 }])
  }))

it("a write that fails goes on in a new segment, and what is read is what was acknowledged, once", () =>
  Effect.gen(function* () {
    for (const fare of ["refused", "unacknowledged", "torn"] as const) {
      for (const at of [0, 1, 2, 3, 4, 5]) {
        const { memory, script, storage } = scriptedStorage()
        const log = yield* openLog(storage, { pauseMillis: 10 })
        script.push(...Array.from({ length: at }, () => "done" as const), fare, fare)
        const writing = yield* Effect.forkChild(Effect.forEach(numbers(1, 8), (text) => log.append([bytesOf(text)])))
        yield* TestClock.adjust("1 second")
        const places = (yield* Fiber.join(writing)).flat()
        const read = yield* readTexts(memory)
        assert.deepEqual(read.texts, numbers(1, 8), `${fare} at ${at}`)
        assert.deepEqual(read.records.map(({ position }) => position), places, `${fare} at ${at}`)
        yield* log.close
      }
    }
  }))

it("attempts and pauses are bounded, and the error says what storage said", () =>
  Effect.gen(function* () {
    const { begun, script, storage } = scriptedStorage()
    const log = yield* openLog(storage, { attemptsMax: 4, pauseMillis: 10 })
    script.push("done", "done", ...Array.from({ length: 7 }, () => "refused" as const))
    yield* log.append([bytesOf("before")])
    const failing = yield* Effect.forkChild(Effect.flip(log.append([bytesOf("failed")])))
    yield* TestClock.adjust(10 + 20 + 40)
    const error = yield* Fiber.join(failing)
    assert.deepEqual([error._tag, error.reason, error.log], ["LogError", "Unavailable", prefix])
    assert.match(error.message, /the log epochs\/00000001\/log could not be written: .* failed, as the script says/)
    assert.equal(begun.filter(({ call }) => call === "append").length, 2)
    assert.equal(begun.filter(({ call }) => call === "open").length, 4)
    const after = yield* Effect.forkChild(log.append([bytesOf("after")]))
    yield* TestClock.adjust("2 seconds")
    yield* Fiber.join(after)
    assert.deepEqual((yield* readTexts(storage)).texts, ["before", "after"])
  }))

it("an append that failed does not count once another succeeds, although its records are there", () =>
  Effect.gen(function* () {
    const { memory, script, storage } = scriptedStorage()
    const log = yield* openLog(storage, { attemptsMax: 1 })
    yield* log.append([bytesOf("1")])
    script.push("unacknowledged", "done", "unacknowledged")
    yield* Effect.flip(log.append([bytesOf("2")]))
    // it may have been acknowledged: nothing says yet that it was not
    assert.deepEqual((yield* readTexts(memory)).texts, ["1", "2"])
    yield* Effect.flip(log.append([bytesOf("3")]))
    assert.deepEqual((yield* readTexts(memory)).texts, ["1", "3"])
    yield* TestClock.adjust("1 second")
    yield* log.append([bytesOf("4")])
    assert.deepEqual((yield* readTexts(memory)).texts, ["1", "4"])
  }))

it("a full disk is told at once, makes no segments without end, and the log goes on when there is room", () =>
  Effect.gen(function* () {
    const { begun, script, storage } = scriptedStorage()
    const log = yield* openLog(storage, { restMillis: 1000 })
    yield* log.append([bytesOf("before")])
    for (let i = 0; i < 50; i++) script.push("full", "done")
    for (let i = 0; i < 200; i++) {
      const error = yield* Effect.flip(log.append([bytesOf("failed")]))
      assert.equal(error.reason, "Full")
      yield* TestClock.adjust(50)
    }
    const opened = begun.filter(({ call }) => call === "open").length
    assert.ok(opened <= 12, `${opened} segments in 10 s`)
    script.length = 0
    yield* TestClock.adjust("1 second")
    yield* log.append([bytesOf("after")])
    assert.deepEqual((yield* readTexts(storage)).texts, ["before", "after"])
  }))

it("what was offered and could not be written breaks the log: later appends are refused and say why", () =>
  Effect.gen(function* () {
    const { script, storage } = scriptedStorage()
    const log = yield* openLog(storage, { attemptsMax: 1 })
    yield* log.append([bytesOf("1")])
    script.push("refused")
    log.offer(bytesOf("2"))
    const first = yield* Effect.flip(log.append([bytesOf("3")]))
    assert.equal(first.reason, "Unavailable")
    const second = yield* Effect.flip(log.append([bytesOf("4")]))
    assert.equal(second.reason, "Broken")
    assert.match(second.message, /could not take a record that was offered: .* as the script says/)
    assert.deepEqual((yield* readTexts(storage)).texts, ["1"])
  }))

it("what waits is bounded: appends wait for room, an offer without room breaks the log, one too large is refused", () =>
  Effect.gen(function* () {
    const { gate, script, storage } = scriptedStorage()
    const log = yield* openLog(storage, { waitingBytesMax: 250 })
    script.push("done", "held")
    const record = bytesOf("x".repeat(92))
    const appends = yield* Effect.forEach(numbers(1, 6), () => Effect.forkChild(log.append([record])))
    yield* TestClock.adjust(1)
    log.offer(record)
    yield* gate.open
    const results = yield* Effect.forEach(appends, (append) => Effect.result(Fiber.join(append)))
    // two fit; the others found that something was offered in vain
    assert.deepEqual(results.map(({ _tag }) => _tag), [
      "Success",
      "Failure",
      "Failure",
      "Failure",
      "Failure",
      "Failure"
    ])
    assert.match((yield* Effect.flip(log.append([record]))).message, /a record that was offered found no room/)
    const huge = { length: 2 ** 29 } as Uint8Array
    const error = yield* Effect.flip((yield* openLog(memoryStorage())).append([huge]))
    assert.equal(error.reason, "TooLarge")
  }))

it("appends that wait for room are written when there is some", () =>
  Effect.gen(function* () {
    const { gate, memory, script, storage } = scriptedStorage()
    const log = yield* openLog(storage, { waitingBytesMax: 250, groupBytes: 150 })
    script.push("done", "held")
    const appends = yield* Effect.forEach(
      numbers(1, 30),
      (text) => Effect.forkChild(log.append([bytesOf(text.padStart(92, "0"))]))
    )
    yield* TestClock.adjust(1)
    yield* gate.open
    yield* Effect.forEach(appends, Fiber.join)
    assert.deepEqual(
      (yield* readTexts(memory)).texts.map((text) => `${Number(text)}`).toSorted(),
      numbers(1, 30).toSorted()
    )
  }))

it("a log that closes writes what waits, closes its segment once, and takes nothing any more", () =>
  Effect.gen(function* () {
    const { closes, gate, script, storage } = scriptedStorage()
    const log = yield* openLog(storage)
    script.push("done", "held")
    const appends = yield* Effect.forEach(numbers(1, 5), (text) => Effect.forkChild(log.append([bytesOf(text)])))
    yield* TestClock.adjust(1)
    log.offer(bytesOf("6"))
    const closing = yield* Effect.forkChild(log.close)
    yield* TestClock.adjust(1)
    yield* gate.open
    yield* Fiber.join(closing)
    yield* Effect.forEach(appends, Fiber.join)
    assert.deepEqual((yield* readTexts(storage)).texts, numbers(1, 6))
    assert.equal(closes(), 1)
    const error = yield* Effect.flip(log.append([bytesOf("7")]))
    assert.equal(error.reason, "Closed")
  }))

it("with closing after each write, or without append, each group is an object of its own", () =>
  Effect.gen(function* () {
    for (const appends of [true, false]) {
      const storage = memoryStorage({ appends })
      const log = yield* openLog(storage, { closeAfterWrite: true })
      for (const text of numbers(1, 40)) yield* log.append([bytesOf(text)])
      assert.equal((yield* storage.list(prefix)).length, 40)
      assert.ok(storage.journal.every(({ call }) => call !== "open" && call !== "append"))
      assert.deepEqual((yield* readTexts(storage)).texts, numbers(1, 40))
      yield* log.dropBefore(21)
      assert.deepEqual((yield* readTexts(storage)).texts, numbers(21, 40))
    }
  }))

it("without append, an object that is there although its creation failed is recognized, and counts once", () =>
  Effect.gen(function* () {
    for (
      const fares of [["unacknowledged"], ["refused"], ["unacknowledged", "refused"], [
        "refused",
        "unacknowledged"
      ]] as const
    ) {
      const { script, storage } = scriptedStorage({ appends: false })
      const log = yield* openLog(storage, { pauseMillis: 1 })
      script.push("done", ...fares, "done", "unacknowledged")
      const writing = yield* Effect.forkChild(Effect.forEach(numbers(1, 5), (text) => log.append([bytesOf(text)])))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(writing)
      assert.deepEqual((yield* readTexts(storage)).texts, numbers(1, 5))
      assert.equal((yield* storage.list(prefix)).length, 5)
    }
  }))

it("without append, the object of an append that failed for good does not count, and its number is passed", () =>
  Effect.gen(function* () {
    const { script, storage } = scriptedStorage({ appends: false })
    const log = yield* openLog(storage, { attemptsMax: 1 })
    yield* log.append([bytesOf("1")])
    script.push("unacknowledged")
    yield* Effect.flip(log.append([bytesOf("2")]))
    yield* log.append([bytesOf("3")])
    assert.deepEqual((yield* readTexts(storage)).texts, ["1", "3"])
  }))

it("a log that another writes is refused", () =>
  Effect.gen(function* () {
    for (const appends of [true, false]) {
      const storage = memoryStorage({ appends })
      yield* writeLog(storage, [["theirs"]])
      const log = yield* openLog(storage)
      const error = yield* Effect.flip(log.append([bytesOf("ours")]))
      assert.equal(error.reason, "Taken")
      assert.match(error.message, /written by another: epochs\/00000001\/log\/00000001 is there/)
      assert.deepEqual((yield* readTexts(storage)).texts, ["theirs"])
    }
  }))

it("segments before one are dropped whole, never the one that is written, and reading goes on from a place", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const log = yield* openLog(storage, { rollBytes: 200 })
    const ends = []
    for (const text of numbers(1, 30)) {
      yield* log.append([bytesOf(text)])
      ends.push(log.end())
    }
    const from = ends[14]!
    assert.deepEqual((yield* readTexts(storage, { from })).texts, numbers(16, 30))
    const before = (yield* storage.list(prefix)).length
    yield* log.dropBefore(from.segment)
    yield* log.dropBefore(1)
    const names = yield* storage.list(prefix)
    assert.equal(names[0], segmentName(prefix, from.segment))
    assert.equal(names.length, before - from.segment + 1)
    assert.deepEqual((yield* readTexts(storage, { from })).texts, numbers(16, 30))
    yield* log.dropBefore(1_000_000)
    assert.deepEqual(yield* storage.list(prefix), [segmentName(prefix, log.end().segment)])
    const removed = storage.journal.flatMap(({ call, name }) => call === "remove" ? [name] : [])
    assert.equal(removed.length, new Set(removed).size, "each is removed once")
    yield* log.append([bytesOf("31")])
    assert.equal((yield* readTexts(storage)).texts.at(-1), "31")
  }))

it("a log that syncs on rolling waits for no disk between, and tells what a crash took from it", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const log = yield* openLog(storage, { sync: "onRoll", rollBytes: 800 })
    for (const text of numbers(1, 34)) yield* log.append([bytesOf(text)])
    const { segment } = log.end()
    // each segment is opened, and synced when the next is due
    assert.equal(storage.syncs(), 2 * segment - 1)
    assert.deepEqual((yield* readTexts(storage)).texts, numbers(1, 34))
    let unsynced = 0
    storage.crash((_, appends) => {
      unsynced = appends.length
      return Uint8Array.from(appends.flatMap((append, i) => i === 1 ? Array.from(append, () => 0) : [...append]))
    })
    const { lost, texts } = yield* readTexts(storage)
    assert.ok(unsynced > 3)
    assert.deepEqual(texts, numbers(1, 34).toSpliced(34 - unsynced + 1, 1))
    assert.deepEqual(lost.map(({ groups }) => groups), [1])
    // it says so when it closes
  }).pipe(Effect.provideService(Logger.CurrentLoggers, new Set())))

it("settings that make no sense are refused", () =>
  Effect.gen(function* () {
    const tooLong = yield* Effect.flip(openLog(memoryStorage(), { rollBytes: 2 ** 31 }))
    assert.match(tooLong.message, /cannot roll at 2147483648 bytes: at most at/)
    const never = yield* Effect.flip(openLog(memoryStorage(), { sync: "never" as never }))
    assert.match(never.message, /syncs "always" or "onRoll", not "never"/)
  }))
