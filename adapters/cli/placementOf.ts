/**
 * placementOf: what `--master` means: executors in this process (`local`), or in worker threads (`local[n]`).
 */
import { availableParallelism } from "node:os"
import { Effect, Layer } from "effect"
import type { AnyStreamingApp } from "../../core/dstream/StreamingApp.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import { runExecutor } from "../../runtime/executor/bootstrap.ts"
import * as LocalPlacement from "../../runtime/placement/LocalPlacement.ts"
import { Placement } from "../../runtime/placement/Placement.ts"
import { SpillSpace } from "../../runtime/storage/SpillSpace.ts"
import { scratchFolder, spillSpaceIn } from "../storage/spillSpace.ts"
import * as ThreadPlacement from "../threads/ThreadPlacement.ts"
import type { Master } from "./arguments.ts"

/** `program` is the URL of the app's module, which threads import. */
export const placementOf = (master: Master, app: AnyStreamingApp, program: string): Layer.Layer<Placement | Border> => {
  if (master.kind === "threads") {
    const threads = master.threads === "all" ? availableParallelism() : master.threads
    return ThreadPlacement.layer({ threads, program })
  }
  const local = LocalPlacement.make({
    runExecutor: Effect.fnUntraced(function* (started) {
      const spill = yield* spillSpaceIn(yield* scratchFolder)
      yield* runExecutor({ app, ...started }).pipe(
        Effect.provideService(SpillSpace, spill),
        Effect.provideService(Border, Border.local)
      )
    })
  })
  return Layer.mergeAll(Layer.succeed(Placement, Placement.of(local)), Layer.succeed(Border, Border.local))
}
