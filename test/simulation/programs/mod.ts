/**
 * The reference programs of the simulation, by name.
 */
import type { ReferenceProgram } from "./ReferenceProgram.ts"
import { stateless } from "./stateless.ts"
import { states } from "./states.ts"
import { windows } from "./windows.ts"
import { wordCount } from "./wordCount.ts"

export const programs: ReadonlyArray<ReferenceProgram> = [stateless, wordCount, states, windows]
