/**
 * day: a small program that runs for a day of the test's clock, with checkpoints on a disk.
 *
 * Each batch of 1 s is due as soon as the one before is done, so that a day takes half an hour. What the process holds is measured once
 * all states have reached their size, and at the end.
 */
import * as fs from "node:fs"
import * as process from "node:process"
import { setImmediate } from "node:timers/promises"
import { Clock, Effect, Layer, type Scope } from "effect"
import { TestClock } from "effect/testing"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import * as StreamingContext from "../../runtime/driver/StreamingContext.ts"
import * as local from "../driver/local.ts"
import type { Disk } from "./disk.ts"
import { type Counts, program } from "./program.ts"

export interface Holding {
  readonly batches: number
  /** In the checkpoint directory. */
  readonly files: number
  readonly bytes: number
  /** Open files and sockets; 0 where the system does not tell. */
  readonly handles: number
  /** After garbage was collected; 0 where that cannot be asked for. */
  readonly heapBytes: number
}

export interface DayOptions {
  readonly disk: Disk
  /** Of 1 s. */
  readonly batches: number
  /** What is held after so many batches has to be held at the end. */
  readonly settledAfter: number
  readonly say?: (holding: Holding) => void
}

export interface Day {
  readonly settled: Holding
  readonly end: Holding
  /** Words that the sink was given, and how many it has to be given at least and at most. */
  readonly words: { readonly least: number; readonly given: number; readonly most: number }
}

/** Snapshots and segments come and go; so many batches in a row are looked at, and the least is taken, which what is left behind raises too. */
const lookedAt = 60

export const day = ({ batches, disk, settledAfter, say }: DayOptions): Effect.Effect<Day, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const began = yield* Clock.currentTimeMillis
    const words: Counts = { received: 0, given: 0 }
    let completed = began
    const app = program(words)
    const observers = [(event: StreamingEvent) => {
      if (event.kind === "BatchCompleted") completed = event.batch.time
    }]
    const options = { settings: { checkpointDirectory: disk.place }, observers }
    const layer = Layer.merge(local.layerOf(app, options), disk.layer)
    const context = yield* Effect.provide(StreamingContext.start(app, options), layer)
    yield* local.settled
    let batch = 0
    const runUntil = Effect.fnUntraced(function* (last: number) {
      let least = all
      while (batch < last) {
        batch++
        const due = began + batch * 1000
        yield* TestClock.setTime(Math.max(due, yield* Clock.currentTimeMillis))
        for (let looks = 1; completed < due; looks++) {
          yield* passed
          // As time would: what was late for the tick itself waits for the clock to go on.
          if (looks % 20 === 0) yield* TestClock.adjust("1 millis")
        }
        if (batch > last - lookedAt) least = leastOf(least, { ...yield* disk.held, handles: handlesNow() })
      }
      const holding = { ...least, batches: last, heapBytes: heapBytes() }
      say?.(holding)
      return holding
    })
    const whole = Effect.gen(function* () {
      const settled = yield* runUntil(settledAfter)
      while (batch + settledAfter < batches) yield* runUntil(batch + settledAfter)
      const end = yield* runUntil(batches)
      const { received } = words
      for (let more = 0; words.given < received && more < moreBatches; more++) yield* runUntil(batch + 1)
      return { settled, end, words: { least: received, given: words.given, most: words.received } }
    })
    const over = Effect.andThen(context.awaitTermination, Effect.die(new Error("the context ended before the day")))
    return yield* Effect.raceFirst(whole, over)
  })

/** The disk's answers, which no clock brings, have come in. */
const passed = Effect.promise(() => setImmediate())

const all: Holding = { batches: 0, files: Infinity, bytes: Infinity, handles: Infinity, heapBytes: 0 }

const leastOf = (a: Holding, b: Pick<Holding, "files" | "bytes" | "handles">): Holding => ({
  ...a,
  files: Math.min(a.files, b.files),
  bytes: Math.min(a.bytes, b.bytes),
  handles: Math.min(a.handles, b.handles)
})

/** In these, at most, what came before has to be given to the sink. */
const moreBatches = 1000

const handlesNow = (): number => fs.existsSync("/proc/self/fd") ? fs.readdirSync("/proc/self/fd").length : 0

/** 0 where the runtime was not told to let garbage be collected when asked (`--expose-gc`). */
const heapBytes = (): number => {
  const { gc } = globalThis as { readonly gc?: () => void }
  if (gc === undefined) return 0
  gc()
  gc()
  return process.memoryUsage().heapUsed
}
