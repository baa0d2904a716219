/**
 * readPlace: what the next driver would go on from, read without taking the place over.
 */
import { Data, Effect } from "effect"
import * as names from "../../../core/checkpoint/names.ts"
import * as Epoch from "../../../runtime/driver/checkpoint/Epoch.ts"
import { type Reading, recover } from "../../../runtime/driver/checkpoint/recover.ts"

/** There is nothing there to look into. */
export class NothingThere extends Data.TaggedError("NothingThere")<{ readonly message: string }> {}

/** The place has been used; fails with a sentence otherwise. */
export const epochsOf = Effect.fnUntraced(function* ({ storage }: Reading) {
  const epochs = yield* Epoch.list(storage)
  if (epochs.length === 0 && (yield* storage.size(names.app)) === undefined) {
    return yield* new NothingThere({
      message: `${storage.place} is no checkpoint place: it is not there, or nothing of dstreams is in it. Give the ` +
        "place that the program has as its checkpointDirectory"
    })
  }
  return epochs
})

export const readPlace = Effect.fnUntraced(function* (reading: Reading) {
  const epochs = yield* epochsOf(reading)
  const left = yield* recover(reading, epochs, [])
  if (left !== undefined) return { epochs, left }
  return yield* new NothingThere({ message: `${reading.storage.place} holds no checkpoint: no driver has begun there` })
})
