/**
 * `npm run simulate`: see `command/arguments.ts` for its options.
 *
 * Runs every seed of every reference program, on all processors. A run that fails is made small, and printed with the one command
 * that repeats it. Ends with the table of faults by programs, the rate, and the line `N passed, N failed` (see `summary`). Exit
 * code 0: all passed.
 */
import { type Arguments, readArguments, usage } from "./command/arguments.ts"
import { crashBatchesDefault, crashJobs } from "./command/crashEverywhere.ts"
import { commandOf, type Job, run } from "./command/Job.ts"
import { shrink } from "./command/shrink.ts"
import { summarize } from "./command/summary.ts"
import { orUsage } from "./command/usage.ts"
import { runAll } from "./command/workers.ts"
import { recovering } from "./programs/mod.ts"
import { eventLine } from "../../adapters/simulation/kernel/EventLog.ts"
import { batchesDefault, type SimulationResult } from "./run/Simulation.ts"

/** Failing runs that are made small. */
const shrunkMax = 5

const jobsOf = async (args: Arguments): Promise<ReadonlyArray<Job>> => {
  const { batches, crashAt, crashEverywhere, only, programs, seeds } = args
  if (!crashEverywhere) {
    return programs.flatMap(({ name }) => seeds.map((seed) => ({ program: name, seed, batches, only, crashAt })))
  }
  const jobs: Array<Job> = []
  for (const program of args.program === undefined ? recovering : programs) {
    jobs.push(...await crashJobs(program, seeds[0]!, batches ?? crashBatchesDefault))
  }
  return jobs
}

async function main(args: Arguments): Promise<number> {
  const jobs = await jobsOf(args)
  const began = performance.now()
  if (args.trace) {
    for (const job of jobs) report(job, await run(job, (event) => console.log(eventLine(event))))
    return 0
  }
  const failed: Array<{ readonly job: Job; readonly result: SimulationResult }> = []
  const results = await runAll(jobs, args.workers, (job, result) => {
    if (args.hashes) console.log(`${job.program} ${job.seed} ${result.hash}`)
    if (result.failures.length === 0) return
    failed.push({ job, result })
    report(job, result)
    return !args.untilFailure
  })
  const seconds = (performance.now() - began) / 1000
  for (
    const { job, result } of failed.slice(
      0,
      args.asIs || args.crashEverywhere || args.only !== undefined ? 0 : shrunkMax
    )
  ) {
    const small = await shrink(job, result, batchesDefault)
    console.log(`\nMADE SMALL ${job.program} seed ${job.seed}: ${commandOf(small.job)}`)
    print(small.result)
  }
  const checksTable = !args.crashEverywhere && args.only === undefined && results.length === jobs.length
  const { lines, passed } = summarize(
    results,
    args.crashEverywhere && args.program === undefined ? recovering : args.programs,
    { seeds: checksTable ? args.seeds.length : 1, seconds }
  )
  for (const line of lines) console.log(line)
  return passed ? 0 : 1
}

function report(job: Job, result: SimulationResult): void {
  if (result.failures.length === 0) return
  console.log(`\nFAILED ${job.program} seed ${job.seed}: ${commandOf(job)} --trace`)
  print(result)
}

const print = ({ failures }: SimulationResult): void => {
  for (const failure of failures.slice(0, 3)) console.log(`  ${shortened(failure).replaceAll("\n", "\n  ")}`)
}

const shownCharactersMax = 2000

const shortened = (text: string): string =>
  text.length <= shownCharactersMax ? text : `${text.slice(0, shownCharactersMax)} ...`

const args = process.argv.slice(2)
process.exitCode = await main(orUsage(args, usage, () => readArguments(args)))
