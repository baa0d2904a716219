/**
 * Bugs of time: clocks that move while somebody sleeps.
 */
import * as batches from "../../../adapters/simulation/invariants/batches.ts"
import type { Mutant } from "../Mutant.ts"

export const time: ReadonlyArray<Mutant> = [
  {
    number: 17,
    knownAs: "flakes of Spark's tests under its ManualClock",
    plants:
      "of ticks that come together, for the clock was moved on several times before the timer woke, the last one counts",
    edits: [{
      file: "core/scheduling/JobGenerator.ts",
      find: "const due = { ...state, due: time, clockBehind: false }",
      replace: `
  const cursor = state.cursor === state.due ? time - batchMillis : state.cursor
  const due = { ...state, cursor, due: time, clockBehind: false }`
    }],
    program: "stateless",
    caughtBy: [batches.timesGrow.name]
  }
]
