/**
 * SnapshotSpace: where snapshots of states are kept, so that an executor's death costs the batches since, not the state.
 *
 * All executors of a run read what any of them wrote; it outlives each of them. Makings: one memory for a process, a directory for
 * threads (`ofBlocks`), or stable storage, beneath the driver's epoch: then it outlives the driver too, and the driver alone removes.
 * Names are `PREFIX/OPERATOR/PARTITION/TIME`; what they are beneath the prefix is told nobody but by the full name.
 */
import { Context } from "effect"
import type { RecordCodec } from "../../../core/protocol/RecordCodec.ts"
import type { SnapshotStorage } from "./snapshotStorage.ts"

export class SnapshotSpace extends Context.Service<SnapshotSpace, {
  readonly storage: SnapshotStorage
  readonly codec: RecordCodec
  /** What the names of snapshots that are written begin with, without a slash at its end. "state". */
  readonly prefix?: string | undefined
  /** Whether executors remove what they wrote or read once it is not needed any more. true. */
  readonly removes?: boolean | undefined
}>()("dstreams/SnapshotSpace") {}
