/**
 * All invariants of a run: every rule that a room of this folder exports.
 */
import * as batches from "./batches.ts"
import * as blocks from "./blocks.ts"
import * as commits from "./commits.ts"
import type { Invariant } from "./Invariant.ts"
import * as places from "./places.ts"
import * as receivers from "./receivers.ts"
import * as states from "./states.ts"
import * as tasks from "./tasks.ts"

export const invariants: ReadonlyArray<Invariant> = [batches, blocks, commits, places, receivers, states, tasks]
  .flatMap((
    room
  ) => Object.values(room))
