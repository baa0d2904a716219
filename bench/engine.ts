/**
 * Runs one of the bench programs in this process: `engine.ts PROGRAM MASTER WARMUP BATCHES [NAME=VALUE ...]` prints an
 * `EngineResult` of the measured batches as JSON.
 */
import * as process from "node:process"
import { ConfigProvider, Effect, Logger } from "effect"
import type { StreamingEvent } from "../core/scheduling/StreamingListener.ts"
import * as StreamingContext from "../runtime/driver/StreamingContext.ts"
import { configProvider, load } from "../adapters/threads/ProgramModule.ts"
import { placementOf } from "../adapters/cli/placementOf.ts"
import { masterOf } from "../adapters/cli/arguments.ts"
import type { EngineResult, SnapshotWork } from "./children.ts"
import { peakRssMiB, rssMiB } from "./memory.ts"
import { checked } from "./programs/kit.ts"

const [, , program, master, warmup, batches, ...pairs] = process.argv
const config = Object.fromEntries(
  pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)])
)
/** Where the driver keeps what the next one would go on from, if it shall. */
const { CHECKPOINT_DIRECTORY: checkpointDirectory } = config
const url = new URL(`./programs/${program}`, import.meta.url).href
const skip = Number(warmup)
const wanted = skip + Number(batches)

interface Measured {
  readonly time: number
  readonly records: number
  readonly check: number
  /** By the fine clock. */
  readonly begin: number
  readonly end: number
  readonly tickMillis: number
  readonly rssMiB: number
}

const measured: Array<Measured> = []
/** From the start of the batch whose state is written to the end of the writing: by batch time. */
const snapshots = new Map<number, { readonly begin: number; readonly end: number }>()
let seen = 0
let checkedBefore = 0
// The engine's clock counts whole milliseconds; what lasts a few is timed finer here.
const started = new Map<number, number>()
let since = { cpu: process.cpuUsage(), at: performance.now() }

const listen = (event: StreamingEvent) => {
  const now = performance.now()
  if (event.kind === "BatchStarted") started.set(event.batch.time, now)
  if (event.kind === "SnapshotCompleted") {
    const begin = started.get(event.time) ?? measured.find(({ time }) => time === event.time)?.begin
    if (begin !== undefined) snapshots.set(event.time, { begin, end: now })
  }
  if (event.kind !== "BatchCompleted") return
  const { records, submissionTime, time } = event.batch
  const check = checked.sum - checkedBefore
  checkedBefore = checked.sum
  const begin = started.get(time)!
  started.delete(time)
  if (++seen === skip) since = { cpu: process.cpuUsage(), at: now }
  if (seen <= skip) return
  measured.push({ time, records, check, begin, end: now, tickMillis: submissionTime - time, rssMiB: rssMiB() })
}

/** When the snapshot was due that was not complete when the run ended: of the batches from there on nobody knows. */
const unknownFrom = (): number => {
  const times = [...snapshots.keys()].sort((a, b) => a - b)
  return times.length < 2 ? Infinity : times.at(-1)! + (times.at(-1)! - times.at(-2)!)
}

const snapshotWork = ({ begin, end, time }: Measured): SnapshotWork => {
  if (snapshots.has(time)) return "taken"
  if (time >= unknownFrom()) return "unknown"
  return [...snapshots.values()].some((snapshot) => begin < snapshot.end && snapshot.begin < end) ? "written" : "none"
}

const run = Effect.gen(function* () {
  const { app, codeFingerprint } = yield* load(url, config)
  const settings = { checkpointDirectory }
  const context = StreamingContext.run(app as any, {
    settings,
    batches: wanted,
    codeFingerprint,
    config,
    observers: [listen]
  })
  yield* Effect.provide(context, placementOf(masterOf(master!), app, url))
})

await Effect.runPromise(
  Effect.scoped(run).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, configProvider(config)),
    // Of stdout the last line alone is read: a warning there would be seen by nobody.
    Effect.provideService(Logger.LogToStderr, true)
  )
)
const used = process.cpuUsage(since.cpu)
const result: EngineResult = {
  records: measured.map(({ records }) => records),
  checks: measured.map(({ check }) => check),
  millis: measured.map(({ begin, end }) => end - begin),
  totalMillis: measured.map(({ end, time }) => performance.timeOrigin + end - time),
  tickMillis: measured.map(({ tickMillis }) => tickMillis),
  snapshots: measured.map(snapshotWork),
  rssMiB: measured.map(({ rssMiB }) => rssMiB),
  peakRssMiB: peakRssMiB(),
  cpu: (used.user + used.system) / 1000 / (performance.now() - since.at),
  check: checked.sum
}
process.stdout.write(JSON.stringify(result) + "\n", () => process.exit(0))
