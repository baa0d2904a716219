/**
 * RDD: the lineage of a data set. It holds no data, only how its partitions come from those of its parents.
 *
 * An RDD is made unnamed. `getOrCompute` seals what an operator returns: every RDD of it that has no id gets
 * `stream@time:position`, where position is its place in a walk from parents to children. Lineage being a function of graph
 * and plans, every process derives the same ids. RDDs are compared by id, never by reference.
 *
 * Planning and acting are different types: an RDD can be transformed, not run. Source: Spark's `RDD`.
 */
import type { Pipeable } from "effect"
import type { Time } from "../time/Time.ts"
import type { RddId, StreamId } from "../protocol/Ids.ts"
import type { NarrowOp } from "./NarrowOp.ts"
import type { Partitioner } from "./Partitioner.ts"
import type { ShuffleDependency } from "./ShuffleDependency.ts"
import type { PartitionSpec } from "../dstream/BatchPlan.ts"

export const TypeId = "~dstreams/RDD"

/** Where the partitions of an RDD come from. */
export type Lineage =
  /** Partition i is what the batch plan says under `partitions[i]` of an input stream. */
  | { readonly kind: "input"; readonly stream: StreamId; readonly partitions: ReadonlyArray<PartitionSpec> }
  /** Partition i is the i-th list, part of the program itself. */
  | { readonly kind: "literal"; readonly partitions: ReadonlyArray<ReadonlyArray<unknown>> }
  | { readonly kind: "narrow"; readonly parent: AnyRDD; readonly op: NarrowOp }
  /** The partitions of the parents, one parent after the other. */
  | { readonly kind: "union"; readonly parents: ReadonlyArray<AnyRDD> }
  | { readonly kind: "shuffled"; readonly parent: AnyRDD; readonly dependency: ShuffleDependency }

/** Given when the RDD is sealed. */
export interface Identity {
  readonly id: RddId
  readonly operator: StreamId
  readonly time: Time
}

export interface RDD<out A> extends Pipeable.Pipeable {
  readonly [TypeId]: { readonly _A: (_: never) => A }
  readonly lineage: Lineage
  readonly numPartitions: number
  /** How the records are spread by key, where that is known. */
  readonly partitioner: Partitioner | undefined
  readonly identity: Identity | undefined
}

export type AnyRDD = RDD<any>
