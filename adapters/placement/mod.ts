/**
 * Placement: where executors run, as a layer: `local` in this process, `threads` in worker threads. The app is the same in each.
 *
 * `Effect.provide(StreamingContext.run(app), Placement.local(app))`
 */
import { Effect, Layer } from "effect"
import type { AnyStreamingApp } from "../../core/dstream/StreamingApp.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import { runExecutor } from "../../runtime/executor/bootstrap.ts"
import * as LocalPlacement from "../../runtime/placement/LocalPlacement.ts"
import { Placement } from "../../runtime/placement/Placement.ts"
import * as BlockStorage from "../../runtime/storage/BlockStorage.ts"
import { Checksum } from "../../runtime/storage/Checksum.ts"
import { SnapshotSpace } from "../../runtime/storage/snapshots/SnapshotSpace.ts"
import { ofBlocks } from "../../runtime/storage/snapshots/snapshotStorage.ts"
import { SpillSpace } from "../../runtime/storage/SpillSpace.ts"
import { messagePack } from "../codec/MessagePack.ts"
import { stablePlaces } from "../storage/stablePlaces.ts"
import { nativeChecksum } from "../storage/nativeChecksum.ts"
import { scratchFolder, spillSpaceIn } from "../storage/spillSpace.ts"
import * as ThreadPlacement from "../threads/ThreadPlacement.ts"

export interface LocalOptions {
  /** 1. */
  readonly executors?: number | undefined
}

/** Executors as fibers of this process; records go by reference. */
export const local = (app: AnyStreamingApp, options: LocalOptions = {}): Layer.Layer<Placement | Border> => {
  const snapshots = SnapshotSpace.of({ storage: ofBlocks(BlockStorage.memory()), codec: messagePack })
  const placement = LocalPlacement.make({
    ...options,
    runExecutor: Effect.fnUntraced(function* (started) {
      const spill = yield* spillSpaceIn(yield* scratchFolder)
      yield* runExecutor({ app, ...started }).pipe(
        Effect.provideService(SpillSpace, spill),
        Effect.provideService(SnapshotSpace, snapshots),
        Effect.provideService(Checksum, nativeChecksum),
        Effect.provideService(Border, Border.local)
      )
    })
  })
  return Layer.mergeAll(
    Layer.succeed(Placement, Placement.of(placement)),
    Layer.succeed(Border, Border.local),
    stablePlaces
  )
}

/** So many worker threads, each an executor. `program` is the URL of the module whose default export is the app. */
export const threads = (
  options: { readonly threads: number; readonly program: string }
): Layer.Layer<Placement | Border> => Layer.merge(ThreadPlacement.layer(options), stablePlaces)
