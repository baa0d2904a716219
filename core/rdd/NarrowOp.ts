/**
 * Narrow operations: what a stage does to the records of one partition, one after the other, without moving any.
 *
 * They are descriptions; `Fusion` turns a chain of them into one loop. `map`, `filter`, `flatMap`, `mapValues` and
 * `flatMapValues` work record by record; the others need the whole partition and end a loop.
 */
import type { Effect } from "effect"

export type NarrowOp =
  | { readonly kind: "map"; readonly f: (record: any) => unknown }
  | { readonly kind: "filter"; readonly f: (record: any) => boolean }
  | { readonly kind: "flatMap"; readonly f: (record: any) => Iterable<unknown> }
  | { readonly kind: "mapValues"; readonly f: (value: any) => unknown }
  | { readonly kind: "flatMapValues"; readonly f: (value: any) => Iterable<unknown> }
  /** All records of the partition at once, in order; also of an empty partition. */
  | { readonly kind: "mapPartitions"; readonly f: (records: ReadonlyArray<any>) => Iterable<unknown> }
  /** The partition becomes its reduction: one record, or none where the partition is empty. */
  | { readonly kind: "reducePartition"; readonly f: (a: any, b: any) => unknown }
  /** The partition becomes one record: the number of its records. */
  | { readonly kind: "countPartition" }
  /** Each record through an Effect, at most `concurrency` at once, results in the order of the records. */
  | {
    readonly kind: "mapEffect"
    readonly f: (record: any) => Effect.Effect<unknown, any, any>
    readonly concurrency: number
  }

/** A narrow operation and the operator of the graph that it belongs to, for errors. */
export interface OperatorStep {
  readonly op: NarrowOp
  readonly operator: string
}
