/**
 * A run that goes on for long holds no more than one that has just begun: measured as the whole heap after a collection, driver,
 * executors and all, so that nothing needs to be looked for by name. On Node only: on Deno the TestClock alone holds about 2 kB
 * more with each sleeper it wakes, which drowns what is measured here.
 *
 * The heap holds V8's compiled code too, which comes and goes for thousands of batches, some hundred bytes a batch. So this
 * process keeps the bytecode that it has and compiles nothing further: what is left is flat to a few bytes a batch.
 */
import * as assert from "node:assert/strict"
import * as v8 from "node:v8"
import * as vm from "node:vm"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryInput from "../../adapters/memory/mod.ts"
import * as Queue from "../../adapters/queue/mod.ts"
import { DStream, RDD, StreamingApp } from "../../core/mod.ts"
import type { Receiver } from "../../core/receiving/Receiver.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import { it } from "../kit.ts"
import * as Local from "./local.ts"

/** Deno runs all files of tests in one process, to which such flags would apply. */
const onNode = !("Deno" in globalThis)
const flags = ["--expose-gc", "--no-flush-bytecode", "--no-sparkplug", "--no-maglev", "--no-opt"]
if (onNode) { for (const flag of flags) v8.setFlagsFromString(flag) }
const collect = onNode ? vm.runInNewContext("gc") as () => void : () => {}

/** Bytes in use once everything that nobody holds is gone. */
const heldBytes = Effect.promise(async () => {
  for (let round = 0; round < 4; round++) {
    collect()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return process.memoryUsage().heapUsed
})

/** Stores a list of two records every 300 ms, and single ones. */
const receiver: Receiver<number, never, never> = {
  name: "steady",
  onStart: (store) =>
    Effect.gen(function* () {
      for (let n = 0;; n++) {
        yield* Effect.ignore(store.array([n % 7, n % 5]))
        store.single(n % 3)
        yield* Effect.sleep(300)
      }
    }),
  onStop: Effect.void,
  storageLevel: "MEMORY_ONLY",
  preferredHost: undefined
}

/** Counts, through shuffles that two outputs share, with side values, and in both kinds of output. */
const outputsOf = (input: DStream.DStream<number>, seen: { batches: number }) => {
  const now = DStream.sideValue(Effect.clockWith((clock) => clock.currentTimeMillis), Schema.Number)
  const counts = input.pipe(
    DStream.transform((rdd, { sideValues }) => rdd.pipe(RDD.map((n) => n + sideValues.now % 3)), {
      sideValues: { now }
    }),
    DStream.mapToPair((n) => [`key ${n}`, 1]),
    DStream.reduceByKey((a, b) => a + b)
  )
  return [
    counts.pipe(DStream.foreachBatch((batch) => Effect.map(batch.collect, () => seen.batches++))),
    counts.pipe(DStream.count, DStream.foreachBatch((batch) => batch.take(1))),
    counts.pipe(DStream.mapEffect((pair) => Effect.succeed(pair)), DStream.foreachPartition(() => Effect.void))
  ]
}

const received = DStream.fromInput<number, never, never>("steady", { kind: "receiver", receiver, decode: undefined })
const made = MemoryInput.stream({ numPartitions: 2, read: ({ batch }) => [batch % 5, 1, 2] })

/** Until every bounded memory of what was (attempts, blocks cleaned up) is full, and all code has run. */
const warmUpBatches = 300
/**
 * Tables of the host and of ours double and halve, and come to rest, which shows in a window or two; what is kept of each batch shows
 * in every one.
 */
const windowsMax = 10
const windowBatches = 200
/** What a batch leaves behind if it is forgotten nowhere takes a hundred and more: its plan, its infos, a block. */
const flatBytesPerBatch = 48

/** The middle one of the last three. */
const isFlat = (growth: ReadonlyArray<number>): boolean =>
  growth.length >= 3 && growth.slice(-3).toSorted((a, b) => a - b)[1]! <= flatBytesPerBatch

/** Bytes more with each batch, window after window, until they are flat or there were windows enough. */
const growthOf = (
  input: DStream.DStream<number>,
  windows = windowsMax,
  onBatch: (batches: number) => void = () => {}
) =>
  Effect.gen(function* () {
    const seen = { batches: 0 }
    const app = StreamingApp.make({ name: "long", batchDuration: "1 second", outputs: outputsOf(input, seen) })
    const listeners = [(event: StreamingEvent) => event.kind === "BatchCompleted" ? onBatch(seen.batches) : undefined]
    const context = yield* Local.start(app, { executors: 2, coded: true, listeners })
    const pass = (batches: number) => Effect.repeat(TestClock.adjust("1 second"), { times: batches - 1 })
    yield* pass(warmUpBatches)
    const growth: Array<number> = []
    while (growth.length < windows && !isFlat(growth)) {
      const before = yield* heldBytes
      yield* pass(windowBatches)
      growth.push(Math.round(((yield* heldBytes) - before) / windowBatches))
    }
    assert.equal(seen.batches, warmUpBatches + growth.length * windowBatches)
    yield* context.stop()
    return growth
  })

const inputs: ReadonlyArray<readonly [string, () => DStream.DStream<number>]> = [
  ["an input that is part of the program", () => made],
  ["a receiver", () => received],
  ["a queue", () => Queue.stream<number>([], { defaultRecords: [1, 2, 3], numPartitions: 2 })]
]

const measured = onNode ? it : it.skip

for (const [name, input] of inputs) {
  measured(`with ${name}, nothing grows by batches`, () =>
    Effect.gen(function* () {
      const growth = yield* growthOf(input())
      assert.ok(isFlat(growth), `bytes more with each batch, window after window: ${growth.join(", ")}`)
    }), { timeout: 120_000 })
}

measured("one small object that is kept of each batch is seen", () =>
  Effect.gen(function* () {
    const kept: Array<object> = []
    const windows = 3
    const growth = yield* growthOf(made, windows, (batches) =>
      void kept.push({ batches, of: [batches], more: { batches } }))
    assert.ok(!isFlat(growth), `bytes more with each batch, window after window: ${growth.join(", ")}`)
    assert.ok(kept.length >= warmUpBatches + windows * windowBatches)
  }), { timeout: 120_000 })
