/**
 * temporary: the SpillSpace of a real executor: a folder of its own among the system's temporary files, records as MessagePack.
 */
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Layer } from "effect"
import { SpillSpace } from "../../runtime/storage/SpillSpace.ts"
import { messagePack } from "../codec/MessagePack.ts"
import { directory } from "./directory.ts"

export const spillSpace = Layer.effect(
  SpillSpace,
  Effect.map(directory(join(tmpdir(), "dstreams")), (storage) => SpillSpace.of({ storage, codec: messagePack }))
)
