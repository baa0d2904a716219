/**
 * placementOf: what `--master` means: executors in this process (`local`), or in worker threads (`local[n]`).
 */
import { availableParallelism } from "node:os"
import type { Layer } from "effect"
import type { AnyStreamingApp } from "../../core/dstream/StreamingApp.ts"
import type { Border } from "../../core/protocol/RecordCodec.ts"
import type { Placement } from "../../runtime/placement/Placement.ts"
import * as Placements from "../placement/mod.ts"
import type { Master } from "./arguments.ts"

/** `program` is the URL of the app's module, which threads import. */
export const placementOf = (master: Master, app: AnyStreamingApp, program: string): Layer.Layer<Placement | Border> => {
  if (master.kind === "local") return Placements.local(app)
  return Placements.threads({ threads: master.threads === "all" ? availableParallelism() : master.threads, program })
}
