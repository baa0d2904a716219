/**
 * Functions of the areas operations, windows, state and input: facts that a graph, or a source's own rule, tells.
 */
import * as FileSelection from "../../../adapters/file/FileSelection.ts"
import { batchFileName } from "../../../adapters/save/batchFileName.ts"
import * as DStreamGraph from "../../../core/dstream/DStreamGraph.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { streamOf } from "../pipelines/run.ts"
import type { Json } from "../Vector.ts"
import { type Call, of } from "./call.ts"

/** The node of the graph that keeps the state of a pipeline. */
const stateNode = (batchDuration: number, op: Json, checkpointMs?: number) => {
  const stream = streamOf({ inputs: [{ partitions: 1, batches: [] }], ops: [op], checkpointMs })
  const app = StreamingApp.make({ name: "state", batchDuration, outputs: [stream.pipe(DStream.print())] })
  return DStreamGraph.make(app).nodes.find(({ stream }) => stream.stateful !== undefined)!
}

export const operatorCalls: Readonly<Record<string, Call>> = {
  batchFileName: of(batchFileName),
  defaultCheckpointIntervalMs: of((slideMs) => {
    const { checkpointMillis, rememberMillis } = stateNode(slideMs, { op: "updateStateByKey", update: "addToCount" })
    return { checkpointMs: checkpointMillis, rememberMs: rememberMillis }
  }),
  // What a function emits is kept with the version that it belongs to: the mapped records have no snapshots of their own.
  mapWithStateCheckpointMs: of((batchMs, explicitMs) => {
    const node = stateNode(batchMs, { op: "mapWithState", mapping: "runningSum" }, explicitMs)
    return { state: node.checkpointMillis, mapped: null }
  }),
  rememberedBatches: of(FileSelection.rememberedBatches),
  select: ({ args: [{ batchMs: time, files }], params: { rememberMs: rememberMillis, startMs, newFilesOnly } }) => {
    const visible = files.map(({ name, modifiedMs }: Json) => ({ path: name, modified: modifiedMs }))
      .filter(({ path }: Json) => FileSelection.isVisible(path))
    const bounds = { time, startMillis: startMs, newFilesOnly, rememberMillis }
    return FileSelection.select<Json>(bounds, visible).map(({ path }) => path)
  }
}
