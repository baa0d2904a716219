/**
 * All mutants, by their numbers in the museum of lost records. 10 (a map that is changed while it is read) is a matter of threads that
 * share memory.
 */
import type { Mutant } from "../Mutant.ts"
import { blocks } from "./blocks.ts"
import { checkpoints } from "./checkpoints.ts"
import { inputs } from "./inputs.ts"
import { kafka } from "./kafka.ts"
import { states } from "./states.ts"
import { time } from "./time.ts"

export const mutants: ReadonlyArray<Mutant> = [...blocks, ...checkpoints, ...inputs, ...kafka, ...states, ...time]
  .toSorted((a, b) => a.number - b.number)
