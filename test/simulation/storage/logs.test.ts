/**
 * Write-ahead logs on faulty storage, in a simulated world: writers are killed at any step, under every fault that storage can have, and
 * what a reader finds afterwards is what was acknowledged.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Cause, Effect, Exit, Schedule } from "effect"
import { type LogPlace, type LogPosition, segmentOf } from "../../../core/wal/LogPosition.ts"
import { type LogContents, readLog, readRecord } from "../../../runtime/storage/readLog.ts"
import type { StableStorage } from "../../../runtime/storage/StableStorage.ts"
import * as WriteAheadLog from "../../../runtime/storage/WriteAheadLog.ts"
import { it } from "../../kit.ts"
import { bytesOf, textOf } from "../../storage/contract.ts"
import type { Chance } from "../../../adapters/simulation/kernel/Chance.ts"
import { World } from "../../../adapters/simulation/kernel/World.ts"
import { FaultyStorage, type Interference, type PortCall } from "../../../adapters/simulation/storage/FaultyStorage.ts"
import {
  drawStorageFaults,
  faultClass,
  noStorageFaults,
  storageFaultKinds,
  type StoragePlan
} from "../../../adapters/simulation/storage/StorageFaults.ts"

const prefix = "epochs/00000001/log"

interface Written {
  readonly acknowledged: Map<string, LogPosition>
  /** In the order in which they were appended, each append's records together. */
  readonly appended: Array<ReadonlyArray<string>>
  /** Where a checkpoint says to read from; what is before may have been dropped. */
  from: LogPlace
}

/** A few fibers append to one log, offer, and drop what is old. */
const writer = (
  storage: StableStorage,
  chance: Chance,
  written: Written,
  options: Partial<WriteAheadLog.WriteAheadLogOptions>
) =>
  Effect.gen(function* () {
    const log = yield* WriteAheadLog.make({
      storage,
      prefix,
      rollBytes: 600,
      pauseMillis: 5,
      restMillis: 20,
      ...options
    })
    let next = 0
    const append = (fiber: number) =>
      Effect.gen(function* () {
        yield* Effect.sleep(chance.below(80) / 4)
        const texts = Array.from(
          { length: chance.between(1, 3) },
          () => `${fiber} record ${next++} ${"x".repeat(chance.below(40))}`
        )
        written.appended.push(texts)
        const result = yield* Effect.result(log.append(texts.map(bytesOf)))
        if (result._tag === "Success") result.success.forEach((place, i) => written.acknowledged.set(texts[i]!, place))
      })
    const drop = Effect.gen(function* () {
      yield* Effect.sleep(chance.between(100, 400))
      const place = log.end()
      if (place.offset === 0) return
      written.from = place
      yield* Effect.ignore(log.dropBefore(place.segment))
    })
    // What is acknowledged is read at once, and a log that grows is read as far as it goes.
    const look = Effect.gen(function* () {
      yield* Effect.sleep(chance.between(20, 200))
      const last = [...written.acknowledged].at(-1)
      if (last === undefined) return
      const [text, place] = last
      const bytes = yield* Effect.result(readRecord(storage, place))
      if (bytes._tag === "Success") assert.equal(textOf(bytes.success), text)
      else if (bytes.failure._tag === "LogDamaged") assert.ok(!isKept(written, place), bytes.failure.message)
      const { from } = written
      const log = yield* Effect.result(readLog(storage, prefix, { from }))
      if (log._tag === "Failure" && log.failure._tag === "LogDamaged") assert.notEqual(written.from, from)
    })
    // A place in what is not durable is no place for a checkpoint.
    const readers = options.sync === "onRoll" ? [] : [drop, look]
    yield* Effect.all([...readers, append(1), append(2), append(3)].map((it) => Effect.forever(it)), { concurrency: 5 })
  }).pipe(Effect.scoped)

/** What was acknowledged and is not before the checkpoint. */
const kept = (written: Written): ReadonlyArray<readonly [string, LogPosition]> =>
  [...written.acknowledged].filter(([, place]) => isKept(written, place))

const isKept = ({ from }: Written, { file, offset }: LogPosition): boolean => {
  const segment = segmentOf(prefix, file)!
  return segment > from.segment || (segment === from.segment && offset >= from.offset)
}

interface Run {
  readonly seed: number
  readonly plan: StoragePlan
  readonly options?: Partial<WriteAheadLog.WriteAheadLogOptions>
  readonly appends?: boolean
  readonly interfere?: (call: PortCall, kill: () => void) => Interference | undefined
}

const patiently = Schedule.spaced(5)

/** Kills the writer at some moment; then another node reads. */
const run = ({ appends, interfere, options = {}, plan, seed }: Run) => {
  const world = new World({ seed, preemption: 0.1 })
  const chance = world.chance.split("test")
  const written: Written = { acknowledged: new Map(), appended: [], from: { segment: 1, offset: 0 } }
  const driver = world.node("driver")
  const kill = () => {
    if (driver.state === "Dead") return
    driver.kill("test")
    storage.crash("driver")
  }
  const storage = new FaultyStorage({
    chance,
    plan,
    ...(appends === undefined ? {} : { appends }),
    ...(interfere === undefined ? {} : { interfere: (call) => interfere(call, kill) })
  })
  driver.run("writer", writer(storage.client("driver"), chance, written, options))
  const after = interfere === undefined ? chance.between(1, 1200) : 2000
  world.after(after, undefined, () => world.afterSteps(chance.below(30), kill))
  world.run({ until: () => driver.state === "Dead", timeLimitMillis: world.now + 10_000 })
  kill()
  const successor = world.node("successor")
  const reading = successor.run(
    "reader",
    Effect.gen(function* () {
      const client = storage.client("successor")
      const retried = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) =>
        Effect.retry(effect, { schedule: patiently, while: ({ _tag }) => _tag === "StorageError" })
      const contents = yield* retried(readLog(client, prefix, { from: written.from }))
      for (const [text, place] of kept(written)) {
        if (options.sync !== "onRoll") assert.equal(textOf(yield* retried(readRecord(client, place))), text)
      }
      return contents
    })
  )
  const outcome = world.run({ until: () => reading.exit !== undefined, timeLimitMillis: Infinity })
  assert.equal(outcome.kind, "Done", "report" in outcome ? outcome.report : "")
  return { exit: reading.exit!, storage, written }
}

const contentsOf = <E>(exit: Exit.Exit<LogContents, E>): LogContents => {
  assert.ok(Exit.isSuccess(exit), Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "")
  return exit.value
}

/** Each fiber's appends stand in the order in which it made them. */
const checkOrder = (texts: ReadonlyArray<string>, { appended }: Written): void => {
  const order = new Map(appended.flat().map((text, i) => [text, i]))
  for (const fiber of ["1", "2", "3"]) {
    const numbers = texts.filter((text) => text.startsWith(fiber)).map((text) => order.get(text)!)
    assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b))
  }
}

const isBefore = (a: LogPosition, b: LogPosition): boolean =>
  a.file < b.file || (a.file === b.file && a.offset < b.offset)

/** What was acknowledged, in order, then perhaps one group of what was not. */
const check = (contents: LogContents, written: Written): number => {
  const { appended } = written
  const acknowledged = new Map(kept(written))
  const texts = contents.records.map(({ bytes }) => textOf(bytes)!)
  const places = contents.records.map(({ position }) => position)
  const read = texts.map((text) => acknowledged.has(text))
  const end = read.lastIndexOf(true) + 1
  assert.deepEqual(
    texts.slice(0, end).filter((text) => !acknowledged.has(text)),
    [],
    "only acknowledged ones before the last"
  )
  assert.equal(end, acknowledged.size, "all that was acknowledged, each once")
  for (let i = 0; i < end; i++) assert.deepEqual(places[i], acknowledged.get(texts[i]!))
  checkOrder(texts, written)
  const readTexts = new Set(texts)
  for (const texts of appended) {
    const there = texts.filter((text) => readTexts.has(text))
    assert.ok(there.length === 0 || there.length === texts.length, "an append is there whole or not at all")
  }
  return texts.length - end
}

const seeds = Array.from({ length: 60 }, (_, seed) => seed)

for (const appends of [true, false]) {
  const how = appends ? "" : ", without append"
  test(`under every fault that is survived, a log has what was acknowledged${how}`, { timeout: 120_000 }, () => {
    const struck = new Map<string, number>()
    const outcomes = { acknowledged: 0, unacknowledgedRead: 0, torn: 0 }
    for (const seed of seeds) {
      const plan = drawStorageFaults(new World({ seed }).chance.split("plan"))
      const { exit, storage, written } = run({ seed, plan, appends })
      const contents = contentsOf(exit)
      if (check(contents, written) > 0) outcomes.unacknowledgedRead++
      outcomes.torn += contents.torn.length
      outcomes.acknowledged += written.acknowledged.size
      for (const kind of storageFaultKinds) struck.set(kind, (struck.get(kind) ?? 0) + storage.counts[kind])
    }
    const appendFaults = ["tornAppend", "shortRead"]
    for (const kind of storageFaultKinds.filter((kind) => faultClass[kind] === "survived")) {
      if (!appends && appendFaults.includes(kind)) continue
      assert.ok(struck.get(kind)! > 0, `${kind} never struck`)
    }
    assert.ok(outcomes.acknowledged > 2000 && outcomes.unacknowledgedRead > 0, JSON.stringify(outcomes))
    if (appends) assert.ok(outcomes.torn > 3, JSON.stringify(outcomes))
  })
}

test("crashed at every call, before, under way and done but not acknowledged, a log has what was acknowledged", () => {
  for (const appends of [true, false]) {
    for (const moment of ["before", "torn", "after"] as const) {
      for (let index = 0; index < 40; index++) {
        let hit = false
        const { exit, written } = run({
          seed: index,
          plan: noStorageFaults,
          appends,
          interfere: (call, kill) => {
            if (call.client !== "driver" || call.index !== index) return undefined
            hit = true
            return { moment, act: kill }
          }
        })
        check(contentsOf(exit), written)
        assert.ok(hit, `call ${index} was made`)
      }
    }
  }
})

test("a bit that flips, or a sync that was none, is told whenever a record is missing, and gives no other record", () => {
  const outcomes = { damaged: 0, torn: 0, unharmed: 0 }
  for (const seed of seeds) {
    const plan = { ...noStorageFaults, rates: { ...noStorageFaults.rates, flippedBit: 0.004, lostSync: 0.1 } }
    const { exit, storage, written } = run({ seed, plan })
    if (Exit.isFailure(exit)) {
      const [reason] = exit.cause.reasons
      assert.equal(reason?._tag === "Fail" && reason.error._tag, "LogDamaged", Cause.pretty(exit.cause))
      assert.ok(storage.damage.length > 0)
      outcomes.damaged++
      continue
    }
    const texts = exit.value.records.map(({ bytes }) => textOf(bytes)!)
    const acknowledged = kept(written).map(([text]) => text)
    const missing = acknowledged.filter((text) => !texts.includes(text))
    if (missing.length === 0) {
      outcomes.unharmed++
      continue
    }
    // a header at the very end, before records that are whole: a tail like any other
    assert.ok(acknowledged.slice(0, -missing.length).every((text) => texts.includes(text)))
    assert.equal(exit.value.torn.length, 1)
    outcomes.torn++
  }
  assert.ok(outcomes.damaged > 8 && outcomes.unharmed > 8, JSON.stringify(outcomes))
})

/** A disk of which syncs are lies or not, and a crash takes all that is not durable; with a file of 10 bytes of the driver's. */
const cutting = Effect.fnUntraced(function* (lies: boolean) {
  const rates = { ...noStorageFaults.rates, lostSync: lies ? 1 : 0 }
  const fates = { ...noStorageFaults.fates, whole: 0, torn: 0, reordered: 0, halfSynced: 0, garbage: 0 }
  const plan = { ...noStorageFaults, rates, fates, usualMillis: 0 }
  const storage = new FaultyStorage({ chance: new World({ seed: 1 }).chance.split("storage"), plan })
  const file = yield* storage.client("driver").open("log/1")
  yield* file.append(new Uint8Array(10))
  return storage
})

it("of a file whose sync was none a crash may take the end, and it is known of which that is true", () =>
  Effect.gen(function* () {
    for (const lies of [true, false]) {
      const storage = yield* cutting(lies)
      storage.crash("another")
      assert.deepEqual([storage.disk.sizes("log/1")?.all, storage.cutOff], [10, []])
      storage.crash("driver")
      assert.deepEqual([storage.disk.sizes("log/1")?.all, storage.cutOff], lies ? [0, ["log/1"]] : [10, []])
    }
  }))

it("a file that was removed before the crash is none of which the crash took the end, whatever its sync was", () =>
  Effect.gen(function* () {
    const storage = yield* cutting(true)
    yield* storage.client("another").remove("log/1")
    storage.crash("driver")
    assert.deepEqual([storage.disk.sizes("log/1"), storage.cutOff], [undefined, []])
  }))

test("a log that syncs on rolling loses nothing silently from its middle", () => {
  const outcomes = { lost: 0, shorter: 0 }
  for (const seed of seeds) {
    const plan = drawStorageFaults(new World({ seed }).chance.split("plan"))
    const { exit, written } = run({ seed, plan, options: { sync: "onRoll" } })
    const contents = contentsOf(exit)
    const texts = contents.records.map(({ bytes }) => textOf(bytes)!)
    checkOrder(texts, written)
    const last = contents.records.at(-1)?.position
    const missing = kept(written).filter(([text]) => !texts.includes(text))
    const gaps = missing.filter(([, place]) => last !== undefined && isBefore(place, last))
    assert.equal(gaps.length > 0, contents.lost.length > 0, `${gaps.length} missing, ${contents.lost.length} told`)
    if (gaps.length > 0) outcomes.lost++
    if (missing.length > 0) outcomes.shorter++
  }
  assert.ok(outcomes.lost > 1 && outcomes.shorter > outcomes.lost, JSON.stringify(outcomes))
})

test("the same seed does the same to storage, twice", () => {
  const once = (seed: number) => {
    const plan = drawStorageFaults(new World({ seed }).chance.split("plan"), storageFaultKinds)
    const { storage, written } = run({ seed, plan })
    return JSON.stringify([storage.counts, storage.damage, [...written.acknowledged], storage.disk.journal.length])
  }
  for (const seed of seeds.slice(0, 10)) assert.equal(once(seed), once(seed))
})
