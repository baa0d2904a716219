/**
 * Runs one of the bench programs in this process: `engine.ts PROGRAM MASTER WARMUP BATCHES [NAME=VALUE ...]` prints an
 * `EngineResult` of the measured batches as JSON.
 */
import * as process from "node:process"
import { ConfigProvider, Effect } from "effect"
import type { StreamingEvent } from "../core/scheduling/StreamingListener.ts"
import * as StreamingContext from "../runtime/driver/StreamingContext.ts"
import { configProvider, load } from "../adapters/threads/ProgramModule.ts"
import { placementOf } from "../adapters/cli/placementOf.ts"
import { masterOf } from "../adapters/cli/arguments.ts"
import type { EngineResult } from "./children.ts"
import { checked } from "./programs/kit.ts"

const [, , program, master, warmup, batches, ...pairs] = process.argv
const config = Object.fromEntries(
  pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)])
)
const url = new URL(`./programs/${program}`, import.meta.url).href
const skip = Number(warmup)
const wanted = skip + Number(batches)

const measured = {
  records: [] as Array<number>,
  millis: [] as Array<number>,
  totalMillis: [] as Array<number>,
  tickMillis: [] as Array<number>,
  rssMiB: [] as Array<number>
}
let seen = 0
// The engine's clock counts whole milliseconds; what lasts a few is timed finer here.
const started = new Map<number, number>()
let peak = 0
let since = { cpu: process.cpuUsage(), at: performance.now() }

const listen = (event: StreamingEvent) => {
  const now = performance.now()
  if (event.kind === "BatchStarted") started.set(event.batch.time, now)
  if (event.kind !== "BatchCompleted") return
  const { batch } = event
  const start = started.get(batch.time)!
  started.delete(batch.time)
  const rss = Math.round(process.memoryUsage.rss() / 1048576)
  peak = Math.max(peak, rss)
  if (++seen === skip) since = { cpu: process.cpuUsage(), at: now }
  if (seen <= skip) return
  measured.records.push(batch.records)
  measured.millis.push(now - start)
  measured.totalMillis.push(performance.timeOrigin + now - batch.time)
  measured.tickMillis.push(batch.submissionTime - batch.time)
  measured.rssMiB.push(rss)
}

const run = Effect.gen(function* () {
  const { app, codeFingerprint } = yield* load(url, config)
  const context = StreamingContext.run(app as any, { batches: wanted, codeFingerprint, config, observers: [listen] })
  yield* Effect.provide(context, placementOf(masterOf(master!), app, url))
})

await Effect.runPromise(
  Effect.scoped(run).pipe(Effect.provideService(ConfigProvider.ConfigProvider, configProvider(config)))
)
const used = process.cpuUsage(since.cpu)
const cpu = (used.user + used.system) / 1000 / (performance.now() - since.at)
const text = JSON.stringify({ ...measured, peakRssMiB: peak, cpu, check: checked.sum } satisfies EngineResult) + "\n"
process.stdout.write(text, () => process.exit(0))
