/**
 * patientStorage: storage that is asked again where it could not answer for now, for some seconds: a recovery reads much, and would
 * otherwise end with the first read that failed, leaving an epoch behind, and a state would be taken from an older snapshot, or from none.
 *
 * Creating is left alone: whether one that failed has happened, nobody knows.
 */
import { Effect, Schedule } from "effect"
import type { StableStorage, StorageError } from "./StableStorage.ts"

/** Times besides the first; the pause doubles from 50 ms. */
const timesMax = 7

/** Asks again what may be asked twice. */
export const patiently = <A>(call: Effect.Effect<A, StorageError>): Effect.Effect<A, StorageError> =>
  Effect.retry(call, {
    schedule: Schedule.exponential("50 millis"),
    times: timesMax,
    while: ({ reason }) => reason === "Unavailable"
  })

export const patientStorage = (storage: StableStorage): StableStorage => ({
  ...storage,
  read: (name, range) => patiently(storage.read(name, range)),
  size: (name) => patiently(storage.size(name)),
  list: (prefix) => patiently(storage.list(prefix)),
  remove: (name) => patiently(storage.remove(name))
})
