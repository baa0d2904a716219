/**
 * customLog: what a user supplies is the storage below the log: here a map of names. What is written is read again.
 */
import { Effect, Exit, Scope } from "effect"
import { NameTaken, type StableStorage, StorageError } from "../../../../runtime/storage/StableStorage.ts"
import { readLog } from "../../../../runtime/storage/readLog.ts"
import * as WriteAheadLog from "../../../../runtime/storage/WriteAheadLog.ts"
import { known } from "../../Vector.ts"
import type { Apply, Machine } from "../machine.ts"

/** The least that a user writes: objects that are created, read and removed. */
const mapStorage = (): StableStorage => {
  const objects = new Map<string, Uint8Array>()
  return {
    place: "a map",
    appends: false,
    create: (name, bytes) =>
      Effect.suspend(() => {
        if (objects.has(name)) return Effect.fail(new NameTaken({ name, message: `${name} is in the map already` }))
        objects.set(name, bytes.slice())
        return Effect.void
      }),
    open: (name) => Effect.fail(new StorageError({ reason: "Invalid", name, message: "a map takes no appends" })),
    read: (name, range) =>
      Effect.sync(() => objects.get(name)?.slice(range?.offset ?? 0, range && range.offset + range.length)),
    size: (name) => Effect.sync(() => objects.get(name)?.length),
    list: (prefix) => Effect.sync(() => [...objects.keys()].filter((name) => name.startsWith(prefix)).sort()),
    remove: (name) => Effect.sync(() => void objects.delete(name))
  }
}

export const customLog: Machine = {
  takes: ["do", "record"],
  open: Effect.fnUntraced(function* () {
    const storage = mapStorage()
    const scope = yield* Scope.fork(yield* Effect.scope)
    const log = yield* Scope.provide(scope)(WriteAheadLog.make({ storage, prefix: "log" }))
    const steps: Readonly<Record<string, Apply>> = {
      write: ({ record }) => Effect.asVoid(log.append([new TextEncoder().encode(record)])),
      readAll: () =>
        Effect.map(readLog(storage, "log"), ({ records }) => ({
          expect: records.map(({ bytes }) => new TextDecoder().decode(bytes))
        })),
      close: () => Scope.close(scope, Exit.void)
    }
    return (step) => known("step", steps, step.do)(step)
  })
}
