/**
 * UserEffect: the mistakes of users' functions that return Effects: a plain value or a Promise instead, a throw before there is
 * any Effect, a service that the app's layer does not give. Each becomes a failure of that function; unguarded, what is no Effect
 * ends the fiber that runs it, and with it the executor.
 */
import { Effect, Schema } from "effect"
import { describeValue } from "../protocol/describeValue.ts"
import { permanent } from "../protocol/permanent.ts"
import { isPromise } from "../rdd/fusion/FunctionMistake.ts"

/** A function that has to return an Effect returned something else. */
export class NotAnEffect extends Schema.TaggedError<NotAnEffect>()("NotAnEffect", { message: Schema.String }) {
  get [permanent]() {
    return true
  }
}

/** An Effect needs a service that nobody gave. */
export class MissingService extends Schema.TaggedError<MissingService>()("MissingService", {
  message: Schema.String,
  cause: Schema.Unknown
}) {
  get [permanent]() {
    return true
  }
}

export type Operation = "mapEffect" | "foreachPartition" | "foreachBatch" | "onStart" | SinkStep

/** What a sink is made of. */
export type SinkStep = "prepare" | "commit" | "write" | "fence"

/** The function, made to return an Effect whatever it does. */
export const effectOf =
  <Args extends ReadonlyArray<any>>(operation: Operation, f: (...args: Args) => unknown) =>
  (...args: Args): Effect.Effect<any, any, any> => {
    try {
      const returned = f(...args)
      return Effect.isEffect(returned) ? returned : Effect.fail(notAnEffect(operation, returned))
    } catch (error) {
      return Effect.die(error)
    }
  }

const notAnEffect = (operation: Operation, returned: unknown) =>
  new NotAnEffect({
    message: `${nameOf(operation)} has to return an Effect, and returned ${describeValue(returned)}; ` +
      remedyOf(operation, returned)
  })

/** Those that are given to an operator, and those that are called by their own name. */
const nameOf = (operation: Operation): string =>
  operation === "mapEffect" || operation.startsWith("foreach") ? `${operation}'s function` : operation

const remedyOf = (operation: Operation, returned: unknown): string => {
  const plain = operation === "mapEffect" ? ", or map" : ""
  if (isPromise(returned)) return `use Effect.promise${plain}`
  if (/Generator\]$/.test(Object.prototype.toString.call(returned))) return "use Effect.gen"
  return operation === "mapEffect" ? "use Effect.sync, or map" : "use Effect.sync"
}

/** A missing service is told with its remedy. */
export const tellMissingService = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | MissingService, R> =>
  Effect.catchDefect(self, (defect) =>
    isMissingService(defect)
      ? Effect.fail(
        new MissingService({
          message: `${defect.message}; give it in StreamingApp.make({ layer })`,
          cause: defect
        })
      )
      : Effect.die(defect))

/** Effect's own error has no tag. */
const isMissingService = (defect: unknown): defect is Error =>
  defect instanceof Error && defect.message.startsWith("Service not found")
