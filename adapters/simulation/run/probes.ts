/**
 * probes: asks executors whether what they were told to forget is gone; a removal that is under way is given time.
 */
import type { ToPeer } from "../../../core/protocol/ExecutorProtocol.ts"
import type { Observation } from "../invariants/Observation.ts"
import type { Node } from "../kernel/Node.ts"
import type { SimulatedPlacement } from "../SimulatedPlacement.ts"
import { type Forgotten, probeOf } from "./Observer.ts"

/** How often an executor is asked, before it counts as held; its disk may be busy. */
const triesMax = 40

const triesMillis = 25

/** One for all executors of a run. */
export const makeProbes = () => {
  let requests = 0
  return (
    node: Node,
    placement: SimulatedPlacement,
    forgotten: Forgotten,
    observe: (observation: Observation) => void
  ): void => {
    const probe = probeOf(forgotten, ++requests)
    if (probe === undefined) return
    const ask = (left: number) =>
      node.after(triesMillis, () =>
        placement.probe(node, probe, (answer) => {
          if (answer.kind !== "Fetched" || answer.request !== requests) return
          const held = answer.found !== undefined
          if (held && left > 0) return void ask(left - 1)
          observe({ kind: "ExecutorProbed", executor: node.name, forgotten: nameOf(probe), held })
        }))
    ask(triesMax)
  }
}

const nameOf = (probe: ToPeer): string =>
  probe.kind === "FetchBlock" ? `block ${probe.block}` : probe.kind === "FetchShuffle" ? `shuffle ${probe.shuffle}` : ""
