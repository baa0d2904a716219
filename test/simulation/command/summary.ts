/**
 * summary: the end of a run of many seeds: how often each fault struck each program, the rate, how many seeds passed.
 *
 * In a run of `faultTableSeedsMin` seeds or more, a fault that never struck a program fails the run: what was not exercised
 * was not tested.
 */
import { type FaultKind, faultKinds, partOf } from "../../../adapters/simulation/faults/FaultPlan.ts"
import { partsOf, type ReferenceProgram } from "../programs/ReferenceProgram.ts"
import type { SimulationResult } from "../run/Simulation.ts"

export const faultTableSeedsMin = 250

export interface Summary {
  readonly lines: ReadonlyArray<string>
  readonly passed: boolean
}

export function summarize(
  results: ReadonlyArray<SimulationResult>,
  programs: ReadonlyArray<ReferenceProgram>,
  run: { readonly seeds: number; readonly seconds: number }
): Summary {
  const sum = (of: (result: SimulationResult) => number, program?: string) =>
    results.filter((result) => program === undefined || result.program === program).reduce((all, it) => all + of(it), 0)
  const row = (name: string, of: (program: string) => number | string) =>
    name.padEnd(20) + programs.map((program) => String(of(program.name)).padStart(14)).join("")
  const count = (name: string, of: (result: SimulationResult) => number) => row(name, (program) => sum(of, program))
  /** "-": the program has nothing that the fault could strike. */
  const struck = (kind: FaultKind, program: string): number | "-" => {
    const part = partOf(kind)
    const cannot = part !== undefined && !partsOf(programs.find(({ name }) => name === program)!).has(part)
    return cannot ? "-" : sum(({ faults }) => faults[kind], program)
  }
  const missed = faultKinds.flatMap((kind) =>
    programs.flatMap(({ name }) => struck(kind, name) === 0 ? [`${kind} never struck ${name}`] : [])
  )
  const incomplete = run.seeds >= faultTableSeedsMin && missed.length > 0
  const failed = results.filter(({ failures }) => failures.length > 0).length
  const batches = Math.max(1, sum((result) => result.batches))
  const lines = [
    "",
    row("faults struck", (program) => program),
    ...faultKinds.map((kind) => row(kind, (program) => struck(kind, program))),
    count("lines lost", ({ lostLines }) => lostLines),
    count("partial batches", ({ partialBatches }) => partialBatches),
    count("damage told", ({ detected }) => Number(detected)),
    count("drivers", ({ lives }) => lives),
    count("batches", (result) => result.batches),
    "",
    `${batches} batches in ${run.seconds.toFixed(1)} s: ${(batches / run.seconds).toFixed(0)} batches/s, ` +
    `${(run.seconds * 1000 / batches).toFixed(2)} ms and ${
      (sum(({ steps }) => steps) / batches).toFixed(0)
    } steps a batch`,
    ...(incomplete ? [`FAILED ${missed.join("; ")}`] : []),
    `${results.length - failed} passed, ${failed} failed`
  ]
  return { lines, passed: failed === 0 && !incomplete }
}
