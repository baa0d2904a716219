/**
 * Stage: how lineage is cut into work. A stage is what can be done to a partition without moving records between partitions.
 *
 * - The records of a partition come from one source: a part of an input, a list of the program, or a reduce partition of a
 *   shuffle. `chainOf` finds it and the narrow operations from there on; a union only says which parent a partition is of.
 * - Every shuffled RDD ends a stage: its map tasks compute the partitions of its parent, and their outputs are its source.
 *   So a stage's id is the id of its RDD, whichever job asks: results under the id of the RDD itself, map outputs under that of
 *   the shuffled RDD. A chain reads at most one shuffle, hence so does a task.
 * - All RDDs are sealed; they are told apart by id.
 *
 * Called by the driver to submit a job and by executors to run its tasks: a function of the lineage alone.
 */
import type { PartitionSpec } from "../dstream/BatchPlan.ts"
import type { SealedRDD } from "../dstream/Derivation.ts"
import type { PartitionIndex, StreamId } from "../protocol/Ids.ts"
import type { Time } from "../time/Time.ts"
import type { OperatorStep } from "./NarrowOp.ts"
import type { AnyRDD } from "./RDD.ts"
import type { ShuffleDependency } from "./ShuffleDependency.ts"

/** Where the records of a partition come from. `partition` counts within the source, whatever unions follow. */
export type ChainSource =
  | {
    readonly kind: "input"
    readonly stream: StreamId
    readonly time: Time
    readonly partition: PartitionIndex
    readonly spec: PartitionSpec
  }
  | {
    readonly kind: "literal"
    readonly operator: StreamId
    readonly partition: PartitionIndex
    readonly records: ReadonlyArray<unknown>
  }
  /** One reduce partition of a shuffle: all its map outputs, in the order of map partitions. */
  | { readonly kind: "shuffle"; readonly shuffle: ShuffledRDD; readonly partition: PartitionIndex }

/** The narrow chain of one partition. */
export interface Chain {
  readonly source: ChainSource
  readonly steps: ReadonlyArray<OperatorStep>
}

export type ShuffledRDD = SealedRDD & {
  readonly lineage: { readonly kind: "shuffled"; readonly parent: AnyRDD; readonly dependency: ShuffleDependency }
}

export const isShuffled = (rdd: SealedRDD): rdd is ShuffledRDD => rdd.lineage.kind === "shuffled"

/** The RDD that the map tasks of a shuffle compute. */
export const mapSide = (shuffle: ShuffledRDD): SealedRDD => sealedParent(shuffle.lineage.parent)

/** The source of a partition, and the narrow operations from there to `rdd`, first to last. */
export const chainOf = (rdd: SealedRDD, partition: PartitionIndex): Chain => {
  if (!Number.isInteger(partition) || partition < 0 || partition >= rdd.numPartitions) {
    throw new Error(`RDD ${rdd.identity.id} has ${rdd.numPartitions} partitions, and no partition ${partition}`)
  }
  const steps: Array<OperatorStep> = []
  let current = rdd
  let index = partition
  while (true) {
    const { lineage, identity } = current
    switch (lineage.kind) {
      case "input": {
        const source = { kind: lineage.kind, stream: lineage.stream, time: identity.time, partition: index }
        return { source: { ...source, spec: lineage.partitions[index]! }, steps: steps.reverse() }
      }
      case "literal": {
        const source = { kind: lineage.kind, operator: identity.operator, partition: index }
        return { source: { ...source, records: lineage.partitions[index]! }, steps: steps.reverse() }
      }
      case "shuffled":
        return { source: { kind: "shuffle", shuffle: current as ShuffledRDD, partition: index }, steps: steps.reverse() }
      case "narrow":
        steps.push({ op: lineage.op, operator: identity.operator })
        current = sealedParent(lineage.parent)
        break
      case "union": {
        const owner = ownerOf(lineage.parents, index)
        current = sealedParent(owner.parent)
        index = owner.partition
      }
    }
  }
}

/** The parent of a union that a partition is of, and its place there. */
const ownerOf = (parents: ReadonlyArray<AnyRDD>, partition: PartitionIndex) => {
  let first = 0
  for (const parent of parents) {
    if (partition < first + parent.numPartitions) return { parent, partition: partition - first }
    first += parent.numPartitions
  }
  throw new Error(`a union of ${first} partitions has no partition ${partition}`)
}

/** The shuffles that an RDD needs, however far up, each once, parents first. */
export const shufflesOf = (rdd: SealedRDD): ReadonlyArray<ShuffledRDD> => {
  const seen = new Set<string>()
  const found: Array<ShuffledRDD> = []
  const visit = (current: SealedRDD): void => {
    if (seen.has(current.identity.id)) return
    seen.add(current.identity.id)
    if (current.lineage.kind === "union") current.lineage.parents.forEach((parent) => visit(sealedParent(parent)))
    else if (current.lineage.kind === "narrow") visit(sealedParent(current.lineage.parent))
    else if (isShuffled(current)) {
      visit(mapSide(current))
      found.push(current)
    }
  }
  visit(rdd)
  return found
}

const sealedParent = (rdd: AnyRDD): SealedRDD => {
  if (rdd.identity === undefined) throw new Error("the lineage of a sealed RDD holds one that has no id")
  return rdd as SealedRDD
}
