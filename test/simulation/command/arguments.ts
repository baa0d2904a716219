/**
 * The command line of `npm run simulate`, and what `--help` says of it.
 */
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import type { CallMoment } from "../../../adapters/simulation/faults/Faults.ts"
import { programs } from "../programs/mod.ts"
import type { ReferenceProgram } from "../programs/ReferenceProgram.ts"

export const usage = `npm run simulate -- [options]

  --seeds N, --from N    so many seeds of each program (200), from this one on (0)
  --seed N               this seed alone
  --program NAME         this program alone: ${programs.map(({ name }) => name).join(", ")}
  --batches N            batches of a run: 30, or 5 with --crash-everywhere
  --only a,b             only these faults of those that the seed draws; none: no fault
  --crash-everywhere     instead of faults a death at each call of storage and sinks, one run for each
  --crash-at N:before    the one run of these in which call N is struck: before, torn or after
  --as-is                failing runs are not made small
  --until-failure        no more runs are begun once one has failed
  --trace                every event
  --hashes               the hash of each run
  --workers N            so many threads; as many as there are processors`

export interface Arguments {
  readonly seeds: ReadonlyArray<number>
  readonly programs: ReadonlyArray<ReferenceProgram>
  /** The one that was asked for. */
  readonly program: string | undefined
  readonly batches: number | undefined
  readonly only: ReadonlyArray<string> | undefined
  readonly crashEverywhere: boolean
  readonly crashAt: { readonly call: number; readonly moment: CallMoment } | undefined
  readonly asIs: boolean
  readonly untilFailure: boolean
  readonly trace: boolean
  readonly hashes: boolean
  readonly workers: number
}

export function readArguments(args: ReadonlyArray<string>): Arguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: "string", default: "200" },
      from: { type: "string", default: "0" },
      seed: { type: "string" },
      program: { type: "string" },
      batches: { type: "string" },
      only: { type: "string" },
      "crash-everywhere": { type: "boolean", default: false },
      "crash-at": { type: "string" },
      "as-is": { type: "boolean", default: false },
      "until-failure": { type: "boolean", default: false },
      trace: { type: "boolean", default: false },
      hashes: { type: "boolean", default: false },
      workers: { type: "string", default: String(availableParallelism()) }
    }
  })
  const chosen = values.program === undefined ? programs : programs.filter(({ name }) => name === values.program)
  if (chosen.length === 0) {
    throw new Error(`There is no program "${values.program}".`)
  }
  const first = wholeNumber("from", values.from)
  const count = wholeNumber("seeds", values.seeds)
  return {
    seeds: values.seed === undefined
      ? Array.from({ length: count }, (_, i) => first + i)
      : [wholeNumber("seed", values.seed)],
    programs: chosen,
    program: values.program,
    batches: values.batches === undefined ? undefined : wholeNumber("batches", values.batches),
    only: values.only === undefined ? undefined : values.only.split(",").filter((name) => name !== "none"),
    crashEverywhere: values["crash-everywhere"],
    crashAt: values["crash-at"] === undefined ? undefined : callOf(values["crash-at"]),
    asIs: values["as-is"],
    untilFailure: values["until-failure"],
    trace: values.trace,
    hashes: values.hashes,
    workers: wholeNumber("workers", values.workers)
  }
}

function callOf(text: string): NonNullable<Arguments["crashAt"]> {
  const [call = "", moment = ""] = text.split(":")
  if (moment !== "before" && moment !== "torn" && moment !== "after") {
    throw new Error(`--crash-at has to be like 12:before, 12:torn or 12:after, and is "${text}".`)
  }
  return { call: wholeNumber("crash-at", call), moment }
}

export function wholeNumber(option: string, text: string): number {
  const value = Number(text)
  if (text !== "" && Number.isInteger(value) && value >= 0) return value
  throw new Error(`--${option} has to be a whole number, and is "${text}".`)
}
