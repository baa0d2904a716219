/**
 * `npm run mutants`: plants each bug of `bugs/` into a copy of the sources, and runs the simulation of it, seed by seed from 0 on, until it
 * is caught; the sources as they are have to pass the same seeds. Ends with the line `N passed, N failed`. Exit code 0: all passed.
 */
import { parseArgs } from "node:util"
import { mutants } from "./bugs/mod.ts"
import { readSource, simulate, withCopy } from "./copy.ts"
import { type Mutant, plant } from "./Mutant.ts"
import { wholeNumber } from "../simulation/command/arguments.ts"
import { orUsage } from "../simulation/command/usage.ts"

const usage = `npm run mutants -- [options]

  --mutant N     this one alone:
${mutants.map(({ number, plants }) => `    ${String(number).padStart(3)}  ${plants}`).join("\n")}
  --seeds N      so many seeds at most (200)
  --workers N    so many threads; as many as there are processors`

const args = process.argv.slice(2)
const { chosen, seeds, workers } = orUsage(args, usage, () => {
  const { values } = parseArgs({
    args,
    options: { mutant: { type: "string" }, seeds: { type: "string", default: "200" }, workers: { type: "string" } }
  })
  const number = values.mutant === undefined ? undefined : wholeNumber("mutant", values.mutant)
  const chosen = mutants.filter((mutant) => number === undefined || mutant.number === number)
  if (chosen.length === 0) throw new Error(`There is no mutant ${number}.`)
  return {
    chosen,
    seeds: wholeNumber("seeds", values.seeds),
    workers: values.workers === undefined ? undefined : wholeNumber("workers", values.workers)
  }
})

/** Of each program, how many seeds the sources as they are have passed. */
const passed = new Map<string, number>()

/** What is wrong with this mutant; undefined: it was caught, and what is said of it is true. */
async function judge(mutant: Mutant): Promise<string | undefined> {
  const { caughtBy, program } = mutant
  const seed = await withCopy(plant(mutant, readSource), (copy) => catchingSeed(mutant, copy))
  if (seed === undefined) {
    return `NOT CAUGHT by ${seeds} seeds of ${program} with one of these words, make the simulation stronger: ${
      caughtBy.join("; ")
    }`
  }
  const from = passed.get(program) ?? 0
  if (seed < from) return undefined
  const as = await withCopy(new Map(), (copy) => simulate(copy, { program, from, count: seed + 1 - from, workers }))
  passed.set(program, from + as.passed)
  return as.failure && `FAILED seed ${as.failure.seed} of ${program} also without it: ${as.failure.said}`
}

/** The first seed that fails as it has to; a bug can also break what nobody thought of, which is told. */
async function catchingSeed({ caughtBy, program }: Mutant, copy: string): Promise<number | undefined> {
  for (let from = 0; from < seeds;) {
    const { failure } = await simulate(copy, { program, from, count: seeds - from, workers })
    if (failure === undefined) return undefined
    const { said, seed } = failure
    const isIt = caughtBy.some((words) => said.includes(words))
    console.log(
      `   ${isIt ? "caught by" : "also breaks"} seed ${seed} of ${program}: ${said.slice(0, shownCharactersMax)}`
    )
    if (isIt) return seed
    from = seed + 1
  }
  return undefined
}

const shownCharactersMax = 400

let failed = 0
for (const mutant of chosen) {
  console.log(`${mutant.number}. ${mutant.plants} (${mutant.knownAs})`)
  const wrong = await judge(mutant)
  console.log(`   ${wrong ?? `without it these seeds pass`}`)
  if (wrong !== undefined) failed++
}
console.log(`${chosen.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
