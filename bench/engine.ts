/**
 * Runs one of the bench programs in this process: `bench/engine.ts PROGRAM MASTER WARMUP BATCHES` prints as JSON, of the measured
 * batches, the processing times and total delays in milliseconds, how late each tick came, records and memory.
 */
import * as process from "node:process"
import { Effect } from "effect"
import type { StreamingEvent } from "../core/scheduling/StreamingListener.ts"
import * as StreamingContext from "../runtime/driver/StreamingContext.ts"
import { load } from "../adapters/threads/ProgramModule.ts"
import { placementOf } from "../adapters/cli/placementOf.ts"
import { masterOf } from "../adapters/cli/arguments.ts"

const [, , program, master, warmup, batches] = process.argv
const url = new URL(`./programs/${program}`, import.meta.url).href
const skip = Number(warmup)
const wanted = skip + Number(batches)

interface Measured {
  readonly records: number
  readonly processingMillis: number
  readonly totalMillis: number
  readonly tickMillis: number
}

const measured: Array<Measured> = []
let seen = 0
// The engine's clock counts whole milliseconds; what lasts a few is timed finer here.
const started = new Map<number, number>()
let peak = 0

const listen = (event: StreamingEvent) => {
  if (event.kind === "BatchStarted") started.set(event.batch.time, performance.now())
  if (event.kind !== "BatchCompleted") return
  const { batch } = event
  const now = performance.now()
  const processingMillis = now - started.get(batch.time)!
  started.delete(batch.time)
  peak = Math.max(peak, process.memoryUsage().rss)
  if (++seen <= skip) return
  const totalMillis = performance.timeOrigin + now - batch.time
  measured.push({ records: batch.records, processingMillis, totalMillis, tickMillis: batch.submissionTime - batch.time })
}

const run = Effect.gen(function*() {
  const { app, codeFingerprint } = yield* load(url, {})
  const context = StreamingContext.run(app as any, { batches: wanted, codeFingerprint, observers: [listen] })
  yield* Effect.provide(context, placementOf(masterOf(master!), app, url))
})

await Effect.runPromise(Effect.scoped(run))
const of = (pick: (batch: Measured) => number) => measured.map(pick)
process.stdout.write(JSON.stringify({
  records: measured.at(-1)?.records ?? 0,
  millis: of((batch) => batch.processingMillis),
  totalMillis: of((batch) => batch.totalMillis),
  tickMillis: of((batch) => batch.tickMillis),
  peakRssMiB: Math.round(peak / 1048576)
}) + "\n")
process.exit(0)
