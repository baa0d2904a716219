/**
 * OutputRunner: runs one output of one batch, which is a job: its action over the batch, then the steps of the states it
 * depends on that the action did not ask for. What the action fails with, the job fails with. Caller: `JobScheduler.ts`.
 */
import { type Context, Effect } from "effect"
import type { JobFailed } from "../../core/dstream/Batch.ts"
import type { SealedRDD } from "../../core/dstream/Derivation.ts"
import type { DStreamGraph, GraphOutput } from "../../core/dstream/DStreamGraph.ts"
import * as GeneratedRDDs from "../../core/dstream/GeneratedRDDs.ts"
import type { OutputAction } from "../../core/dstream/Output.ts"
import type { StreamId } from "../../core/protocol/Ids.ts"
import type { Border } from "../../core/protocol/RecordCodec.ts"
import * as RddIds from "../../core/rdd/RddId.ts"
import type * as Job from "../../core/scheduling/Job.ts"
import * as BatchReader from "./BatchReader.ts"
import type * as TaskScheduler from "./TaskScheduler.ts"

export interface OutputRunnerOptions {
  readonly graph: DStreamGraph
  readonly memo: GeneratedRDDs.GeneratedRDDs
  readonly tasks: TaskScheduler.TaskScheduler
  readonly border: Border["Service"]
  /** What the app's layer provides, built in the driver. */
  readonly context: Context.Context<any>
}

/** The states that each output depends on. */
const statesByOutput = ({ node, outputs }: DStreamGraph): ReadonlyMap<string, ReadonlyArray<StreamId>> => {
  const above = (id: StreamId): ReadonlyArray<StreamId> => {
    const { checkpointMillis, parents } = node(id)!
    return [...parents.flatMap(above), ...(checkpointMillis === undefined ? [] : [id])]
  }
  return new Map(outputs.map(({ id, stream }) => [id, [...new Set(above(stream))]]))
}

export const make = ({ graph, memo, tasks, border, context }: OutputRunnerOptions) => {
  const states = statesByOutput(graph)
  const outputs = new Map<string, GraphOutput>(graph.outputs.map((output) => [output.id, output]))
  const act = ({ time, output }: Job.Job, action: OutputAction, rdd: SealedRDD): Effect.Effect<unknown, JobFailed> => {
    const run: BatchReader.RunAction = (on, what, partitions) =>
      tasks.runJob({ rdd: on, action: what, partitions, time, output })
    const asJob = (effect: Effect.Effect<unknown, any, any>): Effect.Effect<unknown, JobFailed> =>
      Effect.provideContext(effect, context)
    if (action.kind === "foreachBatch") return asJob(action.run(BatchReader.make(rdd, border, run)))
    const partitions = run(rdd, { kind: "foreachPartition", output })
    const { commit } = action
    if (commit === undefined) return partitions
    const batch = { time, output, app: graph.manifest.app, numPartitions: rdd.numPartitions }
    return Effect.andThen(partitions, () => asJob(commit(batch)))
  }
  return Effect.fnUntraced(function* (job: Job.Job) {
    const { stream, output } = outputs.get(job.output)!
    const rdd = yield* Effect.provideService(GeneratedRDDs.getOrCompute(stream, job.time), GeneratedRDDs.Memo, memo)
    if (rdd === undefined) return
    yield* act(job, output.action, rdd)
    // An output may have read a part of the batch, or nothing: its states take their step all the same.
    for (const state of states.get(job.output)!) {
      const view = memo.getOrCompute(state, job.time)
      if (view === undefined || tasks.isComplete(RddIds.stateId(state, job.time))) continue
      const { time, output } = job
      yield* tasks.runJob({ rdd: view, action: { kind: "take", count: 0 }, time, output })
    }
  })
}
