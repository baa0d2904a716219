/**
 * `npm run simulate -- --seeds 200 --from 0 [--program NAME] [--seed S [--trace]] [--batches N]`
 *
 * Runs every seed of every reference program, prints each that fails with the one command that repeats it, and ends with the
 * table of faults by programs, the rate, and the line `N passed, N failed` (see `summary`). Exit code 0: all passed.
 */
import { parseArgs } from "node:util"
import { eventLine } from "./kernel/EventLog.ts"
import { programs } from "./programs/mod.ts"
import type { ReferenceProgram } from "./programs/ReferenceProgram.ts"
import { simulate, type SimulationResult } from "./run/Simulation.ts"
import { summarize } from "./run/summary.ts"

interface Arguments {
  readonly seeds: ReadonlyArray<number>
  readonly programs: ReadonlyArray<ReferenceProgram>
  readonly trace: boolean
  readonly hashes: boolean
  readonly batches: number | undefined
}

function readArguments(args: ReadonlyArray<string>): Arguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: "string", default: "200" },
      from: { type: "string", default: "0" },
      seed: { type: "string" },
      program: { type: "string" },
      batches: { type: "string" },
      trace: { type: "boolean", default: false },
      hashes: { type: "boolean", default: false }
    }
  })
  const chosen = programs.filter(({ name }) => values.program === undefined || name === values.program)
  if (chosen.length === 0) {
    throw new Error(
      `There is no program "${values.program}"; the programs are ${programs.map(({ name }) => name).join(", ")}`
    )
  }
  const first = wholeNumber("from", values.from)
  const count = wholeNumber("seeds", values.seeds)
  return {
    seeds: values.seed === undefined
      ? Array.from({ length: count }, (_, i) => first + i)
      : [wholeNumber("seed", values.seed)],
    programs: chosen,
    trace: values.trace,
    hashes: values.hashes,
    batches: values.batches === undefined ? undefined : wholeNumber("batches", values.batches)
  }
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 0) return value
  throw new Error(`--${option} has to be a whole number, and is "${text}"`)
}

async function runAll({ seeds, programs, trace, hashes, batches }: Arguments): Promise<number> {
  const results: Array<SimulationResult> = []
  const began = performance.now()
  for (const program of programs) {
    for (const seed of seeds) {
      const result = await simulate({
        program,
        seed,
        ...(batches === undefined ? {} : { batches }),
        ...(trace ? { trace: (event) => console.log(eventLine(event)) } : {})
      })
      results.push(result)
      if (hashes) console.log(`${program.name} ${seed} ${result.hash}`)
      if (result.failures.length > 0) report(result, batches)
    }
  }
  const { lines, passed } = summarize(results, programs, {
    seeds: seeds.length,
    seconds: (performance.now() - began) / 1000
  })
  for (const line of lines) console.log(line)
  return passed ? 0 : 1
}

function report({ failures, program, seed }: SimulationResult, batches: number | undefined): void {
  const more = batches === undefined ? "" : ` --batches ${batches}`
  console.log(
    `\nFAILED ${program} seed ${seed}: npm run simulate -- --program ${program} --seed ${seed}${more} --trace`
  )
  for (const failure of failures.slice(0, 3)) console.log(`  ${shortened(failure).replaceAll("\n", "\n  ")}`)
}

const shownCharactersMax = 2000

const shortened = (text: string): string =>
  text.length <= shownCharactersMax ? text : `${text.slice(0, shownCharactersMax)} ...`

process.exitCode = await runAll(readArguments(process.argv.slice(2)))
