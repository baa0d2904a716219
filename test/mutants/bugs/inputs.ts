/**
 * Bugs of what a recovery makes of the inputs of its batches.
 */
import * as batches from "../../../adapters/simulation/invariants/batches.ts"
import type { Mutant } from "../Mutant.ts"

export const inputs: ReadonlyArray<Mutant> = [
  {
    number: 9,
    knownAs: "SPARK-11749",
    plants: "what a file stream gave is restored once for each output that leads to it",
    edits: [
      {
        file: "runtime/driver/Engine.ts",
        find: "for (const plan of durability?.recovery?.plans ?? []) memo.addPlan(plan)",
        replace:
          "for (const plan of durability?.recovery?.plans ?? []) { for (const _ of graph.outputs) memo.addPlan(plan) }"
      },
      {
        file: "core/dstream/GeneratedRDDs.ts",
        find: `
    if (this.batches.has(plan.time)) return
    this.batches.set(plan.time, plan)`,
        replace: `
    const before = this.batches.get(plan.time)
    const added = (stream: StreamId) =>
      (before?.inputs.find((input) => input.stream === stream)?.partitions ?? []).filter(({ kind }) => kind === "source")
    const inputs = plan.inputs.map((input) => ({ ...input, partitions: [...added(input.stream), ...input.partitions] }))
    this.batches.set(plan.time, { ...plan, inputs })
    if (before !== undefined) return`
      }
    ],
    program: "files",
    caughtBy: [batches.sameContent.name]
  },
  {
    number: 16,
    knownAs: "SPARK-13356, SPARK-18116",
    plants: "what is shown of a batch that runs again does not say how much came in",
    edits: [{
      file: "runtime/driver/BatchGeneration.ts",
      find: "return plan.inputs.map(",
      replace: "return (recorded.has(time) ? [] : plan.inputs).map("
    }],
    program: "relay",
    caughtBy: [batches.shownAsItIs.name]
  }
]
