/**
 * A shuffle: how the records of a parent RDD are spread over the partitions of a child.
 *
 * - `byKey`: pairs go where the partitioner says their key belongs. With a combiner the values of a key are combined, on
 *   the map side too unless it says otherwise; without one the pairs travel as they are.
 * - `spread`: record i of map partition p goes to partition (p + i) mod n, which is even and the same in every process.
 */
import type { Partitioner } from "./Partitioner.ts"

export interface Combiner {
  readonly create: (value: any) => unknown
  readonly mergeValue: (combined: any, value: any) => unknown
  readonly mergeCombiners: (a: any, b: any) => unknown
  /** Combine before the shuffle as well: wrong only where combining saves nothing, as in `groupByKey`. */
  readonly mapSide: boolean
}

export type ShuffleDependency =
  | { readonly kind: "byKey"; readonly partitioner: Partitioner; readonly combiner: Combiner | undefined }
  | { readonly kind: "spread"; readonly numPartitions: number }

export const numPartitionsOf = (dependency: ShuffleDependency): number =>
  dependency.kind === "byKey" ? dependency.partitioner.numPartitions : dependency.numPartitions

/**
 * The records of one map partition for one reduce partition: pairs in two columns, or plain records.
 * The order is that in which keys (or records) first came.
 */
export type ShuffleBlock =
  | { readonly kind: "pairs"; readonly keys: ReadonlyArray<unknown>; readonly values: ReadonlyArray<unknown> }
  | { readonly kind: "records"; readonly records: ReadonlyArray<unknown> }
