/**
 * recoveryMistakes: what an app that shall be recovered cannot have: an input whose records live in the driver's process alone.
 */
import type { GraphNode } from "../dstream/DStreamGraph.ts"
import { receiverMistakes } from "../receiving/receiverMistakes.ts"
import type { Mistake } from "../dstream/validation.ts"

/** What is wrong with the inputs; `hasPlace`: the app has a checkpoint place. */
export const inputMistakes = (inputs: ReadonlyArray<GraphNode>, hasPlace: boolean): ReadonlyArray<Mistake> => [
  ...receiverMistakes(inputs, hasPlace),
  ...recoveryMistakes(inputs, hasPlace)
]

const recoveryMistakes = (inputs: ReadonlyArray<GraphNode>, hasPlace: boolean): ReadonlyArray<Mistake> =>
  inputs.flatMap(({ id, stream: { input, kind } }) =>
    !hasPlace || input?.kind !== "direct" || input.inProcess !== true ? [] : [{
      where: id,
      message: `the records of this ${kind} live in the driver's process, so that the next driver could not read them`,
      remedy: "take a source that can be read again, or leave checkpointDirectory out"
    }]
  )
