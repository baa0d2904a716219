/**
 * receivedBlockHandlers: which handler makes the blocks of a receiver's attempt safe: the way its receiver says (`Survival`).
 */
import { Effect, Scope } from "effect"
import { folderOf, partOf } from "../../../core/blocks/BlockLogs.ts"
import type { ExecutorId, StreamId } from "../../../core/protocol/Ids.ts"
import type { RecordCodec } from "../../../core/protocol/RecordCodec.ts"
import type { Receiver } from "../../../core/receiving/Receiver.ts"
import type { StorageLevel } from "../../../core/receiving/StorageLevel.ts"
import { survivalOf } from "../../../core/receiving/Survival.ts"
import type { Settings } from "../../../core/settings/Settings.ts"
import { Checksum } from "../../storage/Checksum.ts"
import type { StableSpace } from "./StableSpace.ts"
import { nameOf } from "../../storage/StableStorage.ts"
import * as WriteAheadLog from "../../storage/WriteAheadLog.ts"
import type { BlockManager } from "./BlockManager.ts"
import type { BlockReplicator } from "./BlockReplicator.ts"
import { blockManagerBased, type ReceivedBlockHandler } from "./ReceivedBlockHandler.ts"
import * as WriteAheadLogBasedHandler from "./WriteAheadLogBasedHandler.ts"

/** An attempt of a receiver. */
export interface AttemptOf {
  readonly stream: StreamId
  readonly attempt: number
  readonly receiver: Pick<Receiver<any>, "storageLevel" | "survives">
}

export interface Handling {
  readonly handler: ReceivedBlockHandler
  /** The storage level in force. */
  readonly level: StorageLevel
}

/** What it opens is closed with the scope: that of the attempt. */
export type HandlerOf = (of: AttemptOf) => Effect.Effect<Handling, never, Scope.Scope>

export interface Options {
  readonly executor: ExecutorId
  readonly blockManager: BlockManager
  readonly replicator: Pick<BlockReplicator, "copy" | "discard">
  readonly codec: RecordCodec
  /** undefined: the app has no checkpoint place. */
  readonly stable: StableSpace | undefined
  readonly settings: Pick<Settings, "blockStoreTimeoutMillis" | "receiverLogSync" | "receiverLogRollIntervalMillis">
}

export const make = (options: Options): HandlerOf => {
  const { blockManager, codec, executor, replicator, settings, stable } = options
  const here = blockManagerBased(blockManager, executor, replicator)
  return ({ attempt, receiver, stream }) =>
    Effect.map(Effect.scope, (scope) => {
      const { level, way } = survivalOf(receiver, stable !== undefined)
      if (way !== "cold" || stable === undefined) return { handler: here, level }
      const openLog = WriteAheadLog.make({
        storage: stable.storage,
        prefix: folderOf(stable.epoch, partOf(stream, nameOf), attempt),
        sync: settings.receiverLogSync,
        rollMillis: settings.receiverLogRollIntervalMillis
      }).pipe(Effect.provideService(Scope.Scope, scope), Effect.provideService(Checksum, stable.checksum))
      const handler = WriteAheadLogBasedHandler.make({
        ...settings,
        executor,
        blockManager,
        codec,
        openLog
      })
      return { handler, level }
    })
}
