/**
 * The module that a worker thread runs: an executor of `local[n]`. Nothing imports it; `ThreadPlacement` names its URL.
 */
import { Effect, Layer } from "effect"
import { Border } from "../../core/protocol/RecordCodec.ts"
import { runExecutor } from "../../runtime/executor/bootstrap.ts"
import { messagePack } from "../codec/MessagePack.ts"
import { spillSpace } from "../storage/temporary.ts"
import { runThread } from "./executorThread.ts"

const world = Layer.merge(spillSpace, Layer.succeed(Border, Border.coded(messagePack)))

runThread((started) => Effect.provide(runExecutor(started), world))
