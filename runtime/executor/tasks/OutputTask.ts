/**
 * OutputTask: what an output does on an executor with the records of a partition: the Effect of a `foreachPartition`, or the first
 * step of a sink, which gives a value for the driver. All that comes out of the user's Effect is an error of the output's.
 */
import { type Context, Effect } from "effect"
import { estimateRecordBytes } from "../../../core/blocks/SizeEstimator.ts"
import { inputsOf } from "../../../core/dstream/Batch.ts"
import type { Payload } from "../../../core/dstream/BatchPlan.ts"
import type { OutputAction } from "../../../core/dstream/Output.ts"
import { effectOf, type Operation, tellMissingService } from "../../../core/dstream/UserEffect.ts"
import { commitIdOf, type PartitionContext, PreparedTooLarge, TypeId } from "../../../core/output/Sink.ts"
import type { PartitionIndex } from "../../../core/protocol/Ids.ts"
import { permanent } from "../../../core/protocol/permanent.ts"
import type { Border } from "../../../core/protocol/RecordCodec.ts"
import type { AnyRDD } from "../../../core/rdd/RDD.ts"
import type { Time } from "../../../core/time/Time.ts"
import { failed, failedOf, messageOf, type TaskFault } from "../TaskFault.ts"

export interface OutputTask {
  readonly operation: Operation
  readonly run: (records: ReadonlyArray<any>, context: PartitionContext) => Effect.Effect<unknown, any, any>
  /** The commit id is the partition's, not the batch's. */
  readonly commitsPartition: boolean
  /** What `run` gives goes to the driver; undefined: it gives nothing. */
  readonly prepares: { readonly sink: string; readonly bytesMax: number } | undefined
}

/** undefined: it does nothing on executors. */
export const ofAction = (action: OutputAction | undefined): OutputTask | undefined => {
  if (action?.kind === "foreachPartition") return ofFunction(action.run)
  if (action?.kind !== "sink") return undefined
  const { sink } = action
  return sink[TypeId] === "partition"
    ? { operation: "write", run: sink.write, commitsPartition: true, prepares: undefined }
    : {
      operation: "prepare",
      run: sink.prepare,
      commitsPartition: false,
      prepares: { sink: sink.name, bytesMax: sink.preparedBytesMax }
    }
}

export const ofFunction = (run: OutputTask["run"]): OutputTask => ({
  operation: "foreachPartition",
  run,
  commitsPartition: false,
  prepares: undefined
})

/** Who runs it. */
export interface OutputTaskHost {
  readonly border: Border["Service"]
  /** What the app's layer provides, built in this executor. */
  readonly context: Context.Context<any>
  readonly app: string
  readonly epoch: number
  readonly line: string | undefined
}

export interface PartitionOf {
  readonly rdd: AnyRDD
  readonly time: Time
  readonly output: string
  readonly partition: PartitionIndex
  readonly numPartitions: number
  readonly attempt: number
}

/** The value for the driver, if there is one. */
export const run = (
  task: OutputTask,
  { app, border, context, epoch, line }: OutputTaskHost,
  { rdd, ...of }: PartitionOf,
  records: ReadonlyArray<unknown>
): Effect.Effect<Payload | undefined, TaskFault> => {
  const place = { operator: of.output, partition: of.partition }
  const commitId = commitIdOf({ ...of, app }, task.commitsPartition ? of.partition : undefined)
  const { prepares } = task
  const partition: PartitionContext = {
    ...of,
    app,
    epoch,
    line,
    commitId,
    get inputs() {
      return inputsOf(rdd)
    }
  }
  return effectOf(task.operation, task.run)(records, partition).pipe(
    Effect.provideContext(context),
    tellMissingService,
    Effect.catchCause((cause) => Effect.fail(failedOf(place, cause))),
    Effect.flatMap((value) =>
      prepares === undefined ? Effect.undefined : Effect.try({
        try: () => packed(border, value, prepares),
        catch: (error) => failed(place, permanently(error))
      })
    )
  )
}

const packed = (
  border: Border["Service"],
  value: unknown,
  { bytesMax, sink }: NonNullable<OutputTask["prepares"]>
): Payload => {
  const payload = pack(border, value, sink)
  const bytes = payload.kind === "bytes" ? payload.bytes.byteLength : estimateRecordBytes(value)
  if (bytes > bytesMax) throw PreparedTooLarge.of(sink, bytes, bytesMax)
  return payload
}

const pack = (border: Border["Service"], value: unknown, sink: string): Payload => {
  try {
    return border.pack(value)
  } catch (error) {
    throw new TypeError(`what prepare of the sink "${sink}" gave cannot leave its executor: ${messageOf(error)}`)
  }
}

/** It can only come again. */
const permanently = (error: unknown) => Object.assign(error as Error, { [permanent]: true })
