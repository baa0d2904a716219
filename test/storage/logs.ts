/**
 * What the tests of logs share: a log that can be closed before its test ends, records of texts, and what reading gives.
 */
import { Effect, Exit, Scope } from "effect"
import * as WriteAheadLog from "../../runtime/storage/WriteAheadLog.ts"
import { readLog, type ReadLogOptions } from "../../runtime/storage/readLog.ts"
import type { StableStorage } from "../../runtime/storage/StableStorage.ts"
import { bytesOf, textOf } from "./contract.ts"

export const prefix = "epochs/00000001/log"

export type LogOptions = Omit<WriteAheadLog.WriteAheadLogOptions, "storage" | "prefix"> & { readonly prefix?: string }

/** A log of the test's scope, that `close` ends before. */
export const openLog = Effect.fnUntraced(function* (storage: StableStorage, options: LogOptions = {}) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const log = yield* Scope.provide(scope)(WriteAheadLog.make({ storage, prefix, ...options }))
  return { ...log, close: Scope.close(scope, Exit.void) }
})

/** A log that writes these groups and is closed. */
export const writeLog = Effect.fnUntraced(
  function* (storage: StableStorage, groups: ReadonlyArray<ReadonlyArray<string>>, options: LogOptions = {}) {
    const log = yield* openLog(storage, options)
    for (const group of groups) yield* log.append(group.map(bytesOf))
    yield* log.close
    return log
  },
  Effect.scoped
)

/** What is read, as texts. */
export const readTexts = (storage: StableStorage, options: ReadLogOptions & { readonly prefix?: string } = {}) =>
  Effect.map(readLog(storage, options.prefix ?? prefix, options), ({ records, ...summary }) => ({
    ...summary,
    records,
    texts: records.map(({ bytes }) => textOf(bytes)!)
  }))

export const numbers = (from: number, to: number): ReadonlyArray<string> =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`)
