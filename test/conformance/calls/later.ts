/**
 * Functions that need capabilities which come later: recovery from a checkpoint, executors that come and go by load.
 */
import { NotYet } from "../Vector.ts"
import type { Call } from "./call.ts"

const later = (capability: string): Call => () => {
  throw new NotYet(capability)
}

/** How many executors there are is the placement's: `local[n]` has n. */
const scaling = later("cluster")

export const laterCalls: Readonly<Record<string, Call>> = {
  getOrCreate: later("durability"),
  getActiveOrCreate: later("durability"),
  scalingDecision: scaling,
  requestTotal: scaling,
  removeOne: scaling,
  validateScaling: scaling,
  scalingManager: scaling
}
