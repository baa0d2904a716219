/**
 * Lives of one app over one checkpoint place: a driver runs for a while, ends as a crash would end it, and the next one goes on.
 *
 * A crash drops what storage had not made durable, and interrupts everything: no graceful stop, no last checkpoint.
 */
import { Effect, Layer, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import type { RecoveryReport } from "../../core/checkpoint/RecoveryReport.ts"
import type { StreamingApp } from "../../core/mod.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import * as StreamingContext from "../../runtime/driver/StreamingContext.ts"
import type { MemoryStorage } from "../../runtime/storage/memoryStorage.ts"
import { StoragePlaces } from "../../runtime/storage/StableStorage.ts"
import * as local from "../driver/local.ts"

export interface LifeOptions extends local.LocalOptions {
  readonly storage: MemoryStorage
}

/** Where `storage` is what every place opens. */
export const placesOf = (storage: MemoryStorage) =>
  Layer.succeed(StoragePlaces, { open: () => Effect.succeed(storage), codec: messagePack })

export const place = "memory"

/** A context that is Active; it ends with the scope, at once. */
export const start = <E>(app: StreamingApp.StreamingApp<E, never>, { storage, ...options }: LifeOptions) => {
  const settings = { checkpointDirectory: place, ...options.settings }
  const layer = Layer.mergeAll(local.layerOf(app, options), placesOf(storage))
  return Effect.tap(
    Effect.provide(StreamingContext.start(app, { ...options, settings }), layer),
    () => local.settled
  )
}

export interface Life {
  readonly events: ReadonlyArray<StreamingEvent>
  readonly report: RecoveryReport | undefined
}

/** Runs the app for so many batches' time, then crashes it. `meanwhile`: while it runs, before time goes on. */
export const live = <E>(
  app: StreamingApp.StreamingApp<E, never>,
  options: LifeOptions,
  seconds: number,
  meanwhile: Effect.Effect<unknown, unknown, Scope.Scope> = Effect.void
): Effect.Effect<Life, unknown> =>
  Effect.gen(function* () {
    const events: Array<StreamingEvent> = []
    yield* Effect.scoped(Effect.gen(function* () {
      yield* start(app, { ...options, observers: [(event) => void events.push(event), ...options.observers ?? []] })
      yield* meanwhile
      for (let i = 0; i < seconds; i++) {
        yield* TestClock.adjust("1 second")
        yield* local.settled
      }
    }))
    options.storage.crash()
    const recovered = events.find(({ kind }) => kind === "Recovered")
    return { events, report: recovered?.kind === "Recovered" ? recovered.report : undefined }
  })
