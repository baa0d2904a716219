/**
 * TaskFault: why a task is not done, as the executor tells the driver. Inside the executor it travels in the error channel, as a
 * class of its own: an error of the user's, whatever its shape, never passes for a fault of the engine's (a lost block is computed
 * again; a user's error counts). Where a user's Effect runs, all that comes out is `failedOf`.
 */
import { Cause } from "effect"
import { LineageError } from "../../core/dstream/GeneratedRDDs.ts"
import { describeError, withCauses } from "../../core/protocol/describeError.ts"
import type { TaskResult } from "../../core/protocol/ExecutorProtocol.ts"
import type { PartitionIndex, StreamId } from "../../core/protocol/Ids.ts"
import { isPermanent } from "../../core/protocol/permanent.ts"
import { userFrame } from "../../core/protocol/userFrame.ts"
import { UserFunctionError } from "../../core/rdd/UserFunctionError.ts"

export type NotDone = Exclude<TaskResult, { readonly kind: "Done" }>

export class TaskFault {
  readonly result: NotDone

  constructor(result: NotDone) {
    this.result = result
  }
}

/** Where in the graph something went wrong. */
export interface FaultPlace {
  readonly operator: StreamId
  readonly partition: PartitionIndex
}

/** The user's error, or one of the program: counted by `maxTaskFailures`, unless it can only come again. */
export const failed = (place: FaultPlace, error: unknown): TaskFault => failure(place, error, isPermanent(error))

/** What is to be sent to others cannot be encoded. */
export const cannotLeave = (place: FaultPlace, reason: string): TaskFault =>
  failure(place, `its records cannot leave their executor: ${reason}`, true)

const failure = ({ operator, partition }: FaultPlace, error: unknown, permanent: boolean): TaskFault => {
  const stack = stackOf(error)
  const record = error instanceof UserFunctionError ? error.record : undefined
  return new TaskFault({
    kind: "Failed",
    operator: operatorOf(error) ?? operator,
    partition,
    message: withFrame(messageOf(error), userFrame(stack)),
    stack,
    ...(record === undefined ? {} : { record }),
    ...(permanent ? { permanent } : {})
  })
}

/** The first line says where in the user's code it was. */
const withFrame = (message: string, frame: string | undefined): string => {
  if (frame === undefined || message.includes(frame)) return message
  const [first, ...rest] = message.split("\n")
  return [`${first} (at ${frame})`, ...rest].join("\n")
}

/** What comes out of a user's Effect is the user's error. */
export const failedOf = (place: FaultPlace, cause: Cause.Cause<unknown>): TaskFault =>
  failed(place, Cause.squash(cause))

/** What a cause of the engine's comes to: faults as they are, all else the error of the operator at this place. */
export const faultOf = (place: FaultPlace, cause: Cause.Cause<unknown>): TaskFault => {
  const error = Cause.squash(cause)
  return error instanceof TaskFault ? error : failed(place, error)
}

/** Errors of the engine say which operator they belong to. */
const operatorOf = (error: unknown): StreamId | undefined =>
  error instanceof UserFunctionError || error instanceof LineageError ? error.operator : undefined

/** What an error says, whatever was thrown; an Error's message is a sentence without its name. */
export const messageOf = (error: unknown): string =>
  error instanceof Error && typeof error.message === "string" && error.message !== ""
    ? withCauses(error.message, error)
    : describeError(error)

const stackOf = (error: unknown): string | undefined => {
  if (!(error instanceof Error)) return undefined
  const { stack } = error.cause instanceof Error ? error.cause : error
  return typeof stack === "string" ? stack : undefined
}
