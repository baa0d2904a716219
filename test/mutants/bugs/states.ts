/**
 * Bugs of windows and states.
 */
import * as batches from "../../../adapters/simulation/invariants/batches.ts"
import type { Mutant } from "../Mutant.ts"

export const states: ReadonlyArray<Mutant> = [
  {
    number: 11,
    knownAs: "SPARK-13586",
    plants: "the ticks of the time when no driver was there are dropped, though windows need them",
    edits: [{
      file: "runtime/driver/Engine.ts",
      find: "generator.start({ zeroTime, after: recovery?.lastTick,",
      replace: `
  const after = recovery && Math.max(recovery.lastTick ?? zeroTime, zeroTimeOf(now(), app.batchMillis))
  generator.start({ zeroTime, after,`
    }],
    program: "trends",
    caughtBy: [batches.noTickLost.name, batches.timesGrow.name]
  },
  {
    number: 14,
    knownAs: "SPARK-38320",
    plants: "a key that was due before the batch times out, although the batch has a value of it",
    edits: [
      {
        file: "core/state/MapWithState.ts",
        find: "const isRenewing = timeoutMillis !== undefined",
        replace: `
    const due = timeoutMillis === undefined ? [] : state.dueBefore(time - timeoutMillis)
    const isRenewing = timeoutMillis !== undefined`
      },
      {
        file: "core/state/MapWithState.ts",
        find:
          "const due = state.dueBefore(time - timeoutMillis) for (let i = 0; i < due.length; i++) { const slot = due[i]!",
        replace: `
    for (let i = 0; i < due.length; i++) {
      const slot = due[i]!
      if (state.values[slot] === absent) continue`
      }
    ],
    program: "sessions",
    caughtBy: ["; the model says"]
  }
]
