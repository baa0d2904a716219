/**
 * The reference programs of the simulation, by name: those that run once, and those that are started again when their driver dies.
 */
import { changing } from "./recovering/changing.ts"
import { files } from "./recovering/files.ts"
import { relay } from "./recovering/relay.ts"
import { sessions } from "./recovering/sessions.ts"
import { topics } from "./recovering/topics.ts"
import { trends } from "./recovering/trends.ts"
import type { ReferenceProgram } from "./ReferenceProgram.ts"
import { stateless } from "./stateless.ts"
import { states } from "./states.ts"
import { windows } from "./windows.ts"
import { wordCount } from "./wordCount.ts"

export const startedOnce: ReadonlyArray<ReferenceProgram> = [stateless, wordCount, states, windows]

export const recovering: ReadonlyArray<ReferenceProgram> = [relay, trends, sessions, files, changing, topics]

export const programs: ReadonlyArray<ReferenceProgram> = [...startedOnce, ...recovering]
