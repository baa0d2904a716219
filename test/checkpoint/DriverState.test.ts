/**
 * The fold of a driver's log, and checkpoints of it: a checkpoint at any moment, and the log from there, is the state.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import * as Checkpoints from "../../core/checkpoint/Checkpoint.ts"
import * as CheckpointFile from "../../core/checkpoint/CheckpointFile.ts"
import type { DriverLogEvent } from "../../core/checkpoint/DriverLogEvent.ts"
import * as DriverState from "../../core/checkpoint/DriverState.ts"
import { crc32 } from "../../core/wal/crc32.ts"
import { histories, run } from "./driverStates.ts"

const fold = (events: Iterable<DriverLogEvent>, state = DriverState.make(["lines"])) => {
  for (const event of events) DriverState.apply(state, event)
  return state
}

/** All of a state but what repetitions of a dead driver's receivers are told by. */
const shown = (state: DriverState.DriverState) => ({
  plans: DriverState.plansOf(state),
  pending: DriverState.pendingOf(state),
  waiting: [...state.tracker.waiting].map(([stream, blocks]) => [stream, [...blocks.values()]]),
  batches: [...state.tracker.batches].map(([time, blocks]) => [time, [...blocks]]),
  lastBatch: state.tracker.lastBatch,
  asked: [...state.asked],
  ended: [...state.ended],
  done: state.done,
  positions: [...state.positions].map(([stream, places]) => [stream, [...places]]),
  snapshots: [...state.snapshots]
})

const header = { run, sequence: 1, time: 0, written: 0, log: { segment: 1, offset: 0 } }

const through = (state: DriverState.DriverState): DriverState.DriverState => {
  const bytes = CheckpointFile.encode(Checkpoints.capture(header, state), messagePack, crc32)
  const decoded = CheckpointFile.decode(bytes, messagePack, crc32)
  assert.ok(decoded._tag === "Success")
  return Checkpoints.stateOf(decoded.success, ["lines"])
}

test("a checkpoint of any moment and the events after it are the state of the whole log", () => {
  fc.assert(fc.property(histories, fc.nat(40), (events, at) => {
    const whole = fold(events)
    const recovered = fold(events.slice(at), through(fold(events.slice(0, at))))
    assert.deepEqual(shown(recovered), shown(whole))
  }))
})

test("folding from an earlier checkpoint what a later one holds too changes nothing", () => {
  fc.assert(fc.property(histories, (events) => {
    const twice = fold(events.filter(({ kind }) => kind !== "BatchCleanup"))
    const once = shown(twice)
    fold(
      events.filter(({ kind }) =>
        kind !== "BatchCleanup" && kind !== "SnapshotsDropped" &&
        kind !== "SnapshotCompleted" && kind !== "PlansDropped"
      ),
      twice
    )
    assert.deepEqual(shown(twice), once)
  }))
})

test("a batch is pending until it is done, and keeps what it was made of until it is cleaned up", () => {
  fc.assert(fc.property(histories, (events) => {
    const state = DriverState.make(["lines"])
    const allocated = new Map<number, unknown>()
    let done = 0
    for (const event of events) {
      DriverState.apply(state, event)
      if (event.kind === "BatchAllocation") allocated.set(event.time, DriverState.plansOf(state).at(-1))
      if (event.kind === "BatchesDone") done = event.upTo
      if (event.kind === "BatchCleanup") { for (const time of event.times) allocated.delete(time) }
      assert.deepEqual(DriverState.pendingOf(state), [...allocated.keys()].filter((time) => time > done))
      assert.deepEqual(DriverState.plansOf(state), [...allocated.values()])
    }
  }))
})

test("what is no whole checkpoint is told in a sentence: cut short, with any byte changed, or of random bytes", () => {
  const bytes = CheckpointFile.encode(
    Checkpoints.capture(header, fold(fc.sample(histories, { numRuns: 1, seed: 7 })[0]!)),
    messagePack,
    crc32
  )
  for (let length = 0; length < bytes.length; length++) {
    const decoded = CheckpointFile.decode(bytes.slice(0, length), messagePack, crc32)
    assert.ok(decoded._tag === "Failure" && decoded.failure.length > 10)
  }
  for (let at = 0; at < bytes.length; at++) {
    const damaged = bytes.slice()
    damaged[at]! ^= 1 << (at % 8)
    const decoded = CheckpointFile.decode(damaged, messagePack, crc32)
    assert.ok(decoded._tag === "Failure", `byte ${at}`)
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (random) => {
    assert.equal(CheckpointFile.decode(random, messagePack, crc32)._tag, "Failure")
  }))
})

test("a body that is no checkpoint is told, however well its sum fits: prototype keys, other shapes, deep nests", () => {
  const bodies: ReadonlyArray<unknown> = [
    null,
    [],
    { format: 1 },
    JSON.parse('{"__proto__": {"format": 1}, "constructor": 3}'),
    { ...Checkpoints.capture(header, DriverState.make()), format: 2 },
    { ...Checkpoints.capture(header, DriverState.make()), asked: [[1, null]] }
  ]
  for (const body of bodies) {
    const encoded = CheckpointFile.encode(body as Checkpoints.Checkpoint, messagePack, crc32)
    assert.equal(CheckpointFile.decode(encoded, messagePack, crc32)._tag, "Failure")
  }
  assert.equal(Object.hasOwn(Object.prototype, "format"), false)
})

const infoOf = (sequence: number, stream = "lines") => ({
  ...{ block: `${stream}/1/0/${sequence}`, stream, attempt: 0, sequence },
  ...{ records: 1, bytes: 1, locations: [], ranges: [{ source: "a", from: sequence, to: sequence }] }
})

const asked = { zeroTime: 0, inputs: [], sideValues: [] }

/** A block in each of the batches of 1000, 2000 and 3000 ms, and one that waits. */
const threeBatches: ReadonlyArray<DriverLogEvent> = [
  ...[0, 1, 2].flatMap((sequence): ReadonlyArray<DriverLogEvent> => {
    const info = infoOf(sequence)
    const time = 1000 * (sequence + 1)
    return [
      { kind: "BlockAddition", info },
      { kind: "BatchAllocation", time, asked, blocks: [["lines", [info]]] }
    ]
  }),
  { kind: "BlockAddition", info: infoOf(3) }
]

const snapshotOf = (time: number): DriverLogEvent => ({
  kind: "SnapshotCompleted",
  snapshot: { operator: "counts", time, previous: time - 1000, files: [[`state/${time}`]] }
})

test("what is dropped lies before a time: what is of that time stays", () => {
  const state = fold([...threeBatches, ...[1000, 2000, 3000].map(snapshotOf)])
  fold([{ kind: "PlansDropped", before: 2000 }, { kind: "SnapshotsDropped", operator: "counts", before: 2000 }], state)
  assert.deepEqual([...state.asked.keys()], [2000, 3000])
  assert.deepEqual(state.snapshots.get("counts")!.map(({ time }) => time), [2000, 3000])
})

test("nothing is known to have come of the blocks behind all batches that are done, or of which an output or a snapshot is", () => {
  const unusedAfter = (...events: ReadonlyArray<DriverLogEvent>) =>
    DriverState.unusedBlocks(fold([...threeBatches, ...events])).map((block) => Number(block.split("/").at(-1)))
  assert.deepEqual(unusedAfter(), [0, 1, 2, 3])
  assert.deepEqual(unusedAfter({ kind: "BatchesDone", upTo: 1000 }), [1, 2, 3])
  assert.deepEqual(unusedAfter({ kind: "OutputEnded", time: 2000, output: "print-0", result: "done" }), [2, 3])
  assert.deepEqual(unusedAfter(snapshotOf(1000), snapshotOf(2000)), [2, 3])
})

test("something is kept of an input whose blocks wait or are of a batch, that has a mark or positions, or of which ranges were planned", () => {
  const inputsOf = (...events: ReadonlyArray<DriverLogEvent>) => DriverState.keptOf(fold(events)).inputs
  const partitions = [{ kind: "source" as const, value: 1, records: 1 }]
  const direct = {
    ...asked,
    inputs: [{ stream: "files", records: 1, partitions }, { stream: "idle", records: 0, partitions: [] }]
  }
  const { ranges: _, ...info } = infoOf(0)
  const allocation: DriverLogEvent = { kind: "BatchAllocation", time: 1000, blocks: [["lines", [info]]] }
  assert.deepEqual(inputsOf(), [])
  assert.deepEqual(inputsOf({ kind: "BlockAddition", info }), ["lines"])
  assert.deepEqual(inputsOf({ kind: "BlockAddition", info }, allocation), ["lines"])
  assert.deepEqual(inputsOf({ kind: "BlockAddition", info }, allocation, { kind: "BatchCleanup", times: [1000] }), [])
  assert.deepEqual(inputsOf({ kind: "BatchAllocation", time: 1000, asked: direct, blocks: [] }), ["files"])
  const moved = {
    ...asked,
    inputs: [{ stream: "topics", records: 0, partitions: [], positions: [["topic/0", 7]] as const }]
  }
  const silent: DriverLogEvent = { kind: "BatchAllocation", time: 1000, asked: moved, blocks: [] }
  const forgotten: DriverLogEvent = { kind: "PlansDropped", before: 2000 }
  assert.deepEqual(inputsOf(silent, forgotten), ["topics"], "its positions say where it goes on from")
  assert.deepEqual(inputsOf(...threeBatches, { kind: "BatchCleanup", times: [1000, 2000, 3000] }), ["lines"])
  const numbered = fold([{ kind: "BlockAddition", info: infoOf(0, "numbers") }, {
    kind: "BatchAllocation",
    time: 1000,
    blocks: [["numbers", [infoOf(0, "numbers")]]]
  }, { kind: "BatchCleanup", times: [1000] }])
  assert.deepEqual(DriverState.keptOf(numbered).inputs, ["numbers"], "its mark says where it goes on from")
})

test("numbers that no driver writes are told", () => {
  const good = Checkpoints.capture(header, fold(threeBatches))
  const reasonOf = (changed: Partial<Checkpoints.Checkpoint>) => {
    const decoded = CheckpointFile.decode(
      CheckpointFile.encode({ ...good, ...changed }, messagePack, crc32),
      messagePack,
      crc32
    )
    return decoded._tag === "Failure" ? decoded.failure : undefined
  }
  assert.equal(reasonOf({}), undefined)
  assert.match(reasonOf({ time: 1500 })!, /cannot be: a batch of 1500 ms, where batches of 1000 ms grow from 0 ms/)
  assert.match(reasonOf({ asked: good.asked.toReversed() })!, /a batch of 2000 ms, where/)
  assert.match(reasonOf({ asked: [[4000, asked]] })!, /a batch of 4000 ms after the last one, of 3000 ms/)
  assert.match(reasonOf({ log: { segment: 0, offset: 0 } })!, /segment 0 of a log/)
  assert.match(reasonOf({ run: { ...run, settings: { defaultParallelism: 0 } } })!, /0 partitions/)
  assert.match(reasonOf({ run: { ...run, manifest: { ...run.manifest, batchMillis: 0 } } })!, /a batch of 0 ms/)
})

test("an allocation that is told again, by itself, changes nothing: inputs stand where the last batch left them", () => {
  fc.assert(fc.property(histories, fc.nat(40), (events, at) => {
    const state = fold(events)
    const allocations = events.filter(({ kind }) => kind === "BatchAllocation")
    const once = shown(state)
    if (allocations.length > 0) fold([allocations[at % allocations.length]!], state)
    assert.deepEqual(shown(state), once)
  }))
})
