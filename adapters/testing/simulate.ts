/**
 * simulate: runs a user's program under faults, in a world that seeds decide: the whole engine, unchanged, with a driver, executors,
 * network, clocks and stable storage that are simulated, in one process and in no time. The same seed is the same run.
 *
 * The first seed that fails is made small, and told with what repeats it. A program that waits for promises, timers or callbacks of the
 * host is told so: what it awaits has to be replaced, as its sources are.
 */
import { Effect } from "effect"
import * as StreamingApp from "../../core/dstream/StreamingApp.ts"
import type { Mistake } from "../../core/dstream/validation.ts"
import { nearest } from "../../core/settings/invalidSettings.ts"
import type { SimulationEvent } from "../simulation/kernel/EventLog.ts"
import { runSeed } from "../simulation/run/Run.ts"
import type { RunOptions, RunResult } from "../simulation/run/RunOptions.ts"
import { shrink } from "../simulation/run/shrink.ts"
import type { DrawSubject } from "../simulation/run/Subject.ts"
import { simulatedFaults } from "./faults.ts"
import { programSubject, shownApp } from "./programSubject.ts"
import type { Inputs, SimulateOptions } from "./SimulateOptions.ts"
import { failedReport, isTold, passedReport, type SimulationReport, type Struck, struckOf } from "./SimulationReport.ts"

const seedsDefault = 20
const batchesDefault = 12

/** Runs that may be spent on making a failing one small. */
const shrinkRunsMax = 24

export const simulate = <I extends Inputs, Outside>(
  options: SimulateOptions<I, Outside>
): Effect.Effect<SimulationReport, StreamingApp.InvalidApp> =>
  Effect.gen(function* () {
    const { batches = batchesDefault, only, seed, seeds = seedsDefault } = options
    const app = shownApp(options)
    const graph = yield* StreamingApp.validate(app)
    const mistakes = unknownFaults(options.faults ?? [])
    if (mistakes.length > 0) return yield* new StreamingApp.InvalidApp({ app: graph.manifest.app, mistakes })
    const program: Program = (size) => programSubject(options, app, graph, size)
    const tried = seed === undefined ? Array.from({ length: seeds }, (_, i) => i) : [seed]
    const struck: Array<Struck> = []
    for (const seed of tried) {
      const result = yield* run(program, { seed, batches, only })
      if (result.failures.length > 0) {
        return yield* failed(program, { ...options, seed, batches }, result, struck.length)
      }
      struck.push(struckOf(result.faults))
    }
    return passedReport({ seeds: tried.length, batches, struck: sumOf(struck) })
  })

/** A test that draws from faults that there are not would pass without any. */
const unknownFaults = (faults: ReadonlyArray<string>): ReadonlyArray<Mistake> =>
  faults.filter((fault) => !(simulatedFaults as ReadonlyArray<string>).includes(fault)).map((fault) => {
    const meant = nearest(fault, simulatedFaults)
    const remedy = meant === undefined ? "simulatedFaults names all that there are" : `did you mean ${meant}?`
    return { where: "simulate", message: `there is no fault "${fault}"`, remedy }
  })

/** By the number of batches. */
type Program = (batches: number) => DrawSubject

const run = (program: Program, size: Omit<RunOptions, "subject">): Effect.Effect<RunResult> =>
  Effect.promise(() => runSeed({ ...size, subject: program(size.batches) }))

/** The report of a seed that failed with all its faults, or with those that are asked for. */
const failed = (
  program: Program,
  { batches, only, seed }: SimulateOptions<any, any> & { readonly batches: number; readonly seed: number },
  { drawnFaults }: RunResult,
  passed: number
): Effect.Effect<SimulationReport> =>
  Effect.gen(function* () {
    const whole = { batches, only: only ?? drawnFaults }
    const small = only !== undefined
      ? undefined
      : yield* Effect.promise(() =>
        shrink(whole, shrinkRunsMax, async (size) => {
          const result = await runSeed({ seed, ...size, subject: program(size.batches) })
          return result.failures.length > 0 ? result : undefined
        })
      )
    const replay = { seed, ...(small?.size ?? whole) }
    const events: Array<SimulationEvent> = []
    let startMillis: number | undefined
    const trace = (event: SimulationEvent) => {
      startMillis ??= event.at
      if (isTold(event)) events.push({ ...event, at: event.at - startMillis })
    }
    const { failures, faults } = yield* run(program, { ...replay, trace })
    return failedReport({ failures, replay, passed, struck: struckOf(faults), events })
  })

const sumOf = (all: ReadonlyArray<Struck>): Struck => {
  const sum: Record<string, number> = {}
  for (const struck of all) {
    for (const [kind, count] of Object.entries(struck)) sum[kind] = (sum[kind] ?? 0) + count
  }
  return sum
}
