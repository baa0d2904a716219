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
import { histories } from "./driverStates.ts"

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
  snapshots: [...state.snapshots]
})

const run: Checkpoints.RunInfo = {
  app: "app",
  epoch: 1,
  zeroTime: 0,
  program: "",
  codeFingerprint: "",
  master: "",
  executors: 1,
  place: "memory",
  manifest: { app: "app", batchMillis: 1000, operators: [], outputs: [] },
  remember: [],
  settings: {}
}
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
