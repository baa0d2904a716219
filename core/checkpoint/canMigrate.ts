/**
 * canMigrate: whether a program says how the states of its operators are brought from one version to another, step by step.
 */
import type { DStreamGraph } from "../dstream/DStreamGraph.ts"
import type { StateSchema } from "../state/snapshots/StateSchema.ts"
import type { CanMigrate } from "./compatibility.ts"

export const canMigrate = ({ node }: Pick<DStreamGraph, "node">): CanMigrate => (operator, from, to) => {
  const stream = node(operator)?.stream
  const { schema } = (stream?.state === undefined ? {} : stream.params) as { readonly schema?: StateSchema }
  const steps = Array.from({ length: to - from }, (_, i) => from + i)
  return schema !== undefined && steps.every((step) => typeof schema.migrations[step] === "function")
}
