/**
 * What a driver has of its checkpoint place, without the rest of the driver: its log, the state that is the log's fold, and what
 * writes its checkpoints.
 */
import { Effect, Exit, Scope } from "effect"
import { messagePack } from "../../../../adapters/codec/MessagePack.ts"
import * as Memory from "../../../../adapters/memory/mod.ts"
import type { Checkpoint } from "../../../../core/checkpoint/Checkpoint.ts"
import * as names from "../../../../core/checkpoint/names.ts"
import { DStream, StreamingApp } from "../../../../core/mod.ts"
import * as Settings from "../../../../core/settings/Settings.ts"
import { crc32 } from "../../../../core/wal/crc32.ts"
import * as Durability from "../../../../runtime/driver/checkpoint/Durability.ts"
import type { MemoryStorage } from "../../../../runtime/storage/memoryStorage.ts"
import * as lives from "../../../checkpoint/lives.ts"

export interface DriverOptions {
  readonly storage: MemoryStorage
  /** Those of receivers. */
  readonly streams: ReadonlyArray<string>
  readonly settings?: Settings.SettingsInput
}

export const reading = (storage: MemoryStorage) => ({ storage, codec: messagePack, checksum: crc32 })

/** Goes on from what is there; ends with `close`, as a driver that is stopped. */
export const openDriver = Effect.fnUntraced(function* ({ settings = {}, storage, streams }: DriverOptions) {
  const app = StreamingApp.make({
    name: "driver",
    batchDuration: "1 second",
    outputs: streams.map((id) => Memory.timed<string>([]).pipe(DStream.named(id), DStream.print()))
  })
  const scope = yield* Scope.fork(yield* Effect.scope)
  const durability = yield* Durability.open({
    place: lives.place,
    graph: yield* StreamingApp.validate(app),
    settings: Settings.resolve([settings], { batchMillis: app.batchMillis, executors: 1 }),
    program: "",
    codeFingerprint: "",
    master: "",
    fence: () => Effect.void,
    post: () => {},
    fail: () => {}
  }).pipe(Scope.provide(scope), Effect.provide(lives.placesOf(storage)))
  const writer = yield* Scope.provide(scope)(durability.begin({ zeroTime: 0, executors: 1 }))
  return { durability, writer, close: Scope.close(scope, Exit.void) }
})

export type Driver = Effect.Success<ReturnType<typeof openDriver>>

/** What a state is told by: the file of the newest snapshot that is noted in it. */
export const note = (driver: Driver, content: string, time: number) =>
  driver.durability.log.append([{
    kind: "SnapshotCompleted",
    snapshot: { operator: "content", time, previous: 0, files: [[content]] }
  }])

/** The names of all checkpoints, newest first. */
export const checkpointsOf = (storage: MemoryStorage) =>
  Effect.map(storage.list(names.epochs), (all) => names.furthestFirst(all))

export const contentOf = (checkpoint: Checkpoint): string | undefined => checkpoint.snapshots.at(-1)?.files[0]?.[0]
