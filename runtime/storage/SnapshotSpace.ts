/**
 * SnapshotSpace: where snapshots of states are kept, so that an executor's death costs the batches since, not the state.
 *
 * All executors of a run read what any of them wrote; it outlives each of them. Makings: one `BlockStorage.memory()` for a process,
 * a directory for threads.
 */
import { Context } from "effect"
import type { RecordCodec } from "../../core/protocol/RecordCodec.ts"
import type { BlockStorage } from "./BlockStorage.ts"

export class SnapshotSpace extends Context.Service<SnapshotSpace, {
  readonly storage: BlockStorage
  readonly codec: RecordCodec
}>()("dstreams/SnapshotSpace") {}
