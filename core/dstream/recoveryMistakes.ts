/**
 * recoveryMistakes: what an app that shall be recovered cannot have: an input whose records live in the driver's process alone.
 */
import type { GraphNode } from "./DStreamGraph.ts"
import type { Mistake } from "./validation.ts"

/** `hasPlace`: the app has a checkpoint place. */
export const recoveryMistakes = (inputs: ReadonlyArray<GraphNode>, hasPlace: boolean): ReadonlyArray<Mistake> =>
  inputs.flatMap(({ id, stream: { input, kind } }) =>
    !hasPlace || input?.kind !== "direct" || input.inProcess !== true ? [] : [{
      where: id,
      message: `the records of this ${kind} live in the driver's process, so that the next driver could not read them`,
      remedy: "take a source that can be read again, or leave checkpointDirectory out"
    }]
  )
