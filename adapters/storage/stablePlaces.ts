/**
 * stablePlaces: how the checkpoint places of an app are opened: directories and object stores, plain data as MessagePack, check sums at
 * the speed of the machine. The driver and each executor have it.
 */
import { Layer } from "effect"
import { StoragePlaces } from "../../runtime/storage/StableStorage.ts"
import { messagePack } from "../codec/MessagePack.ts"
import { layer as nativeChecksum } from "./nativeChecksum.ts"
import { openStorage } from "./places.ts"

export const stablePlaces: Layer.Layer<never> = Layer.merge(
  Layer.succeed(StoragePlaces, { open: openStorage, codec: messagePack }),
  nativeChecksum
)
