/**
 * TaskFault: why a task is not done, as the executor tells the driver. Inside the executor it travels in the error
 * channel.
 */
import { Cause } from "effect"
import type { TaskResult } from "../../core/protocol/ExecutorProtocol.ts"
import type { PartitionIndex, StreamId } from "../../core/protocol/Ids.ts"

export type TaskFault = Exclude<TaskResult, { readonly kind: "Done" }>

/** Where in the graph something went wrong. */
export interface FaultPlace {
  readonly operator: StreamId
  readonly partition: PartitionIndex
}

/** The user's error, or one of the program: counted by `maxTaskFailures`. */
export const failed = ({ operator, partition }: FaultPlace, error: unknown): TaskFault => ({
  kind: "Failed",
  operator: operatorOf(error) ?? operator,
  partition,
  message: messageOf(error),
  stack: stackOf(error)
})

/** What a cause comes to: faults as they are, all else the error of the operator at this place. */
export const faultOf = (place: FaultPlace, cause: Cause.Cause<unknown>): TaskFault => {
  const error = Cause.squash(cause)
  return isTaskFault(error) ? error : failed(place, error)
}

const isTaskFault = (error: unknown): error is TaskFault =>
  hasField(error, "kind") && typeof error.kind === "string" && /^(FetchFailed|BlockLost|Failed)$/.test(error.kind) &&
  !(error instanceof Error)

/** Errors of the engine say which operator they belong to. */
const operatorOf = (error: unknown): StreamId | undefined =>
  hasField(error, "_tag") && (error._tag === "UserFunctionError" || error._tag === "LineageError") &&
    hasField(error, "operator")
    ? String(error.operator)
    : undefined

/** What an error says, whatever was thrown. */
export const messageOf = (error: unknown): string => {
  if (error instanceof Error && error.message !== "") return error.message
  if (hasField(error, "_tag")) {
    return hasField(error, "message") ? `${error._tag}: ${error.message}` : String(error._tag)
  }
  try {
    return String(error)
  } catch {
    return "it threw a value without a text"
  }
}

const stackOf = (error: unknown): string | undefined => {
  const origin = hasField(error, "cause") && error.cause instanceof Error ? error.cause : error
  return origin instanceof Error ? origin.stack : undefined
}

const hasField = <K extends string>(value: unknown, field: K): value is Record<K, unknown> =>
  typeof value === "object" && value !== null && field in value
