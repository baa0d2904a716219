/**
 * FunctionMistake: what users' plain functions return, or are given, that their operator can do nothing with: a Promise or an Effect
 * where the value belongs, what is not iterable, a record that is no pair. Each is told with its remedy.
 *
 * To ask this of every record would cost more than many a function does. So it is asked where that costs nothing: of the first
 * records of a run (see `FirstRecords`), of one of the values that a reduction or a state has come to, of a list's not being one.
 */
import { Effect, Exit, Schema } from "effect"
import { describeValue } from "../../protocol/describeValue.ts"
import { permanent } from "../../protocol/permanent.ts"

export class FunctionMistake extends Schema.TaggedError<FunctionMistake>()("FunctionMistake", {
  message: Schema.String
}) {
  get [permanent]() {
    return true
  }
}

export const isPromise = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function"

/** Errors and exits (what `Effect.succeed` gives is one) are Effects too, and good records. */
const isBareEffect = (value: unknown): boolean =>
  Effect.isEffect(value) && !(value instanceof Error) && !Exit.isExit(value)

/** Throws `FunctionMistake` where a value, as `where` gave it, is yet to come. `before`: the operator itself can do nothing else. */
export const refuseDeferred = (where: string, value: unknown, before = ""): void => {
  if (typeof value !== "object" || value === null) return
  if (isPromise(value)) {
    throw new FunctionMistake({ message: `${where} returned a Promise; use mapEffect with Effect.promise${before}` })
  }
  if (isBareEffect(value)) throw new FunctionMistake({ message: `${where} returned an Effect; use mapEffect${before}` })
}

/** As `refuseDeferred`, of a function that brings values together. */
export const refuseDeferredReduction = (value: unknown): void =>
  refuseDeferred("the function that brings values together", value, " before it")

/** What the function of a `flatMap` returned, as a list. Throws `FunctionMistake`. */
export const listOf = (records: Iterable<unknown>, kind: string): ReadonlyArray<unknown> =>
  Array.isArray(records) ? records : listOfIterable(records, kind)

const listOfIterable = (records: unknown, kind: string): ReadonlyArray<unknown> => {
  refuseDeferred(`${kind}'s function`, records)
  if (!isIterable(records)) {
    throw new FunctionMistake({
      message: `${kind}'s function returned ${describeValue(records)}, which is not iterable; return an array`
    })
  }
  return Array.from(records)
}

export const isIterable = (value: unknown): value is Iterable<unknown> =>
  typeof value === "string" || (typeof value === "object" && value !== null && Symbol.iterator in value)

/** Throws `FunctionMistake` where a pair operation is given something else. */
export const refuseNoPair = (what: string, record: unknown): void => {
  if (Array.isArray(record) && record.length === 2) return
  const found = Array.isArray(record) && record.length > 0
    ? `an array of length ${record.length}`
    : describeValue(record)
  throw new FunctionMistake({
    message: `${what} needs pairs [key, value], and was given ${found}; make pairs with mapToPair before it`
  })
}
