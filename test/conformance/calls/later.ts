/**
 * Functions that need capabilities which come later: recovery from a checkpoint.
 */
import { NotYet } from "../Vector.ts"
import type { Call } from "./call.ts"

const later = (capability: string): Call => () => {
  throw new NotYet(capability)
}

export const laterCalls: Readonly<Record<string, Call>> = {
  getOrCreate: later("durability"),
  getActiveOrCreate: later("durability")
}
