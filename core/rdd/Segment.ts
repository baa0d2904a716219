/**
 * Segment: a piece of a narrow chain that one loop can run, and the partition-wise operation that ends it, if any.
 *
 * `map`, `filter`, `flatMap`, `mapValues` and `flatMapValues` need one record at a time and run in one loop; `mapPartitions`,
 * `reducePartition`, `countPartition` and `mapEffect` need the whole partition and cut the chain. For each segment the caller runs
 * its steps into `boundarySink(end)` and gives the result to `crossBoundary(end, result)`, or, where the end is a `mapEffect`, to
 * the Effect itself: what comes out is the input of the next segment. The last segment has no end and runs into the task's sink.
 */
import { listOf } from "./fusion/FunctionMistake.ts"
import type { NarrowOp, OperatorStep } from "./NarrowOp.ts"
import * as Sink from "./Sink.ts"
import { UserFunctionError } from "./UserFunctionError.ts"

export type RecordOp = Extract<
  NarrowOp,
  { readonly kind: "map" | "filter" | "flatMap" | "mapValues" | "flatMapValues" }
>
export type PartitionOp = Exclude<NarrowOp, RecordOp>

export interface RecordStep {
  readonly op: RecordOp
  readonly operator: string
}

export interface Boundary {
  readonly op: PartitionOp
  readonly operator: string
}

export interface Segment {
  readonly steps: ReadonlyArray<RecordStep>
  readonly end: Boundary | undefined
}

const isRecordStep = (step: OperatorStep): step is RecordStep => {
  switch (step.op.kind) {
    case "map":
    case "filter":
    case "flatMap":
    case "mapValues":
    case "flatMapValues":
      return true
    default:
      return false
  }
}

/** Cuts a chain after each partition-wise operation. There is always a last segment without an end, perhaps without steps. */
export const segmentsOf = (steps: ReadonlyArray<OperatorStep>): ReadonlyArray<Segment> => {
  const segments: Array<Segment> = []
  let current: Array<RecordStep> = []
  for (const step of steps) {
    if (isRecordStep(step)) {
      current.push(step)
    } else {
      segments.push({ steps: current, end: step as Boundary })
      current = []
    }
  }
  return [...segments, { steps: current, end: undefined }]
}

/** Where the records of a segment go: its end's own reduction or count, without a list between, or else a list. */
export const boundarySink = (end: Boundary): Sink.Sink<ReadonlyArray<unknown>> => {
  switch (end.op.kind) {
    case "reducePartition":
      return Sink.reduce(end.op.f, end.operator)
    case "countPartition":
      return Sink.countRecord
    case "mapPartitions":
    case "mapEffect":
      return Sink.collect
  }
}

/** The records after a boundary, from the result of its sink. A `mapEffect` is the caller's. Throws `UserFunctionError`. */
export const crossBoundary = (
  end: Boundary & { readonly op: Exclude<PartitionOp, { readonly kind: "mapEffect" }> },
  result: ReadonlyArray<unknown>
): ReadonlyArray<unknown> => {
  if (end.op.kind !== "mapPartitions") return result
  try {
    return listOf(end.op.f(result), end.op.kind)
  } catch (cause) {
    throw new UserFunctionError({ operator: end.operator, index: undefined, cause })
  }
}
