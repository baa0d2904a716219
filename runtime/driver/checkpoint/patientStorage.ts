/**
 * patientStorage: storage that is asked again where it could not answer for now: a recovery reads much, and would otherwise end with the
 * first read that failed, leaving an epoch behind.
 *
 * Creating is left alone: whether one that failed has happened, nobody knows.
 */
import { Effect, Schedule } from "effect"
import type { StableStorage, StorageError } from "../../storage/StableStorage.ts"

/** Times besides the first; the pause doubles from 50 ms. */
const timesMax = 7

const again = <A>(call: Effect.Effect<A, StorageError>): Effect.Effect<A, StorageError> =>
  Effect.retry(call, {
    schedule: Schedule.exponential("50 millis"),
    times: timesMax,
    while: ({ reason }) => reason === "Unavailable"
  })

export const patientStorage = (storage: StableStorage): StableStorage => ({
  ...storage,
  read: (name, range) => again(storage.read(name, range)),
  size: (name) => again(storage.size(name)),
  list: (prefix) => again(storage.list(prefix)),
  remove: (name) => again(storage.remove(name))
})
