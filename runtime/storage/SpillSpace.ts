/**
 * SpillSpace: where an executor puts blocks that do not fit into its memory, and how it encodes them.
 */
import { Context } from "effect"
import type { RecordCodec } from "../../core/protocol/RecordCodec.ts"
import type { BlockStorage } from "./BlockStorage.ts"

export class SpillSpace extends Context.Service<SpillSpace, {
  readonly storage: BlockStorage
  readonly codec: RecordCodec
}>()("dstreams/SpillSpace") {}
