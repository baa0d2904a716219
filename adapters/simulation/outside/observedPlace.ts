/**
 * observedPlace: the checkpoint place as one node sees it, with an eye on what is written and removed there: which checkpoints there
 * are, what each refers to, which files go, and when a driver takes over.
 */
import { Effect } from "effect"
import { messagePack } from "../../codec/MessagePack.ts"
import type { ReceivedBlockInfo } from "../../../core/blocks/ReceivedBlock.ts"
import type { Checkpoint } from "../../../core/checkpoint/Checkpoint.ts"
import * as names from "../../../core/checkpoint/names.ts"
import { segmentName } from "../../../core/wal/LogPosition.ts"
import type { StableStorage } from "../../../runtime/storage/StableStorage.ts"
import type { Observation } from "../invariants/Observation.ts"

export const observedPlace = (
  storage: StableStorage,
  observe: (observation: Observation) => void,
  tookOver: () => void
): StableStorage => {
  /** What a checkpoint of this name was made of, which may be there or not. */
  const doubtful = new Map<string, Uint8Array>()
  return {
    ...storage,
    create: (name, bytes) => {
      if (isOwner(name)) return Effect.tap(storage.create(name, bytes), () => Effect.sync(tookOver))
      const checkpoint = names.checkpointOf(name)
      if (checkpoint === undefined) return storage.create(name, bytes)
      const { epoch, sequence } = checkpoint
      const written = (bytes: Uint8Array | undefined) => {
        if (bytes !== undefined) {
          observe({ kind: "CheckpointWritten", epoch, sequence, file: name, ...contentsOf(bytes) })
        }
      }
      return storage.create(name, bytes).pipe(
        Effect.tap(() => Effect.sync(() => written(bytes))),
        Effect.tapError(({ _tag }) =>
          Effect.sync(() => _tag === "NameTaken" ? written(doubtful.get(name)) : doubtful.set(name, bytes))
        )
      )
    },
    remove: (name) =>
      Effect.suspend(() => {
        observe({ kind: "FileRemoved", file: name })
        return storage.remove(name)
      })
  }
}

const isOwner = (name: string): boolean => name.startsWith(names.epochs) && name.endsWith("/owner")

/** What a checkpoint refers to: files, and from which segment on its epoch's log. */
const contentsOf = (bytes: Uint8Array) => {
  const body = bytes.slice(bytes.indexOf(10) + 1).buffer
  const { log, run, snapshots, tracker } = messagePack.decode(body) as Checkpoint
  const infos = [...tracker.waiting, ...tracker.batches.flatMap(([, blocks]) => blocks)].flatMap(([, blocks]) => blocks)
  return {
    files: [...snapshots.flatMap(({ files }) => files.flat()), ...infos.flatMap(logFileOf)],
    log: segmentName(names.logPrefix(run.epoch), log.segment)
  }
}

const logFileOf = ({ log, lost }: ReceivedBlockInfo): ReadonlyArray<string> =>
  log === undefined || lost === true ? [] : [log.file]
