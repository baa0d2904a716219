/**
 * Where executors of this machine spill and keep snapshots: a scratch folder of the run, and in it a folder for each executor's
 * blocks and one for all snapshots, which outlive the executor that wrote them.
 *
 * The scratch folder belongs to the driver, which removes it with all that is in it: a thread that is terminated cleans up
 * nothing. What it holds is encoded as MessagePack and is worth nothing after the run.
 */
import * as fs from "node:fs/promises"
import * as os from "node:os"
import * as path from "node:path"
import { Effect, type Scope } from "effect"
import { describeError } from "../../core/protocol/describeError.ts"
import { BlockStorageError } from "../../runtime/storage/BlockStorage.ts"
import { SpillSpace } from "../../runtime/storage/SpillSpace.ts"
import { messagePack } from "../codec/MessagePack.ts"
import { SnapshotSpace } from "../../runtime/storage/snapshots/SnapshotSpace.ts"
import { ofBlocks } from "../../runtime/storage/snapshots/snapshotStorage.ts"
import { directory, sharedDirectory } from "./directory.ts"

/** A folder of its own among the temporary files, gone when the scope closes. */
export const scratchFolder: Effect.Effect<string, BlockStorageError, Scope.Scope> = Effect.acquireRelease(
  Effect.tryPromise({
    try: () => fs.mkdtemp(path.join(os.tmpdir(), "dstreams-")),
    catch: (error) =>
      new BlockStorageError({
        message: `there is no room for spilled blocks in ${os.tmpdir()}: ${describeError(error)}`
      })
  }),
  (folder) => Effect.ignore(Effect.tryPromise(() => fs.rm(folder, { recursive: true, force: true })))
)

/** For one executor. */
export const spillSpaceIn = (folder: string): Effect.Effect<SpillSpace["Service"], BlockStorageError, Scope.Scope> =>
  Effect.map(directory(folder), (storage) => SpillSpace.of({ storage, codec: messagePack }))

/** For all executors of a run. */
export const snapshotSpaceIn = (folder: string): Effect.Effect<SnapshotSpace["Service"], BlockStorageError> =>
  Effect.map(
    sharedDirectory(path.join(folder, "snapshots")),
    (storage) => SnapshotSpace.of({ storage: ofBlocks(storage), codec: messagePack })
  )
