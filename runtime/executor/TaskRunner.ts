/**
 * TaskRunner: runs one task to its end. Source: Spark's `ShuffleMapTask` and `ResultTask`.
 *
 * Derives the RDD from graph and plans, compares its digest with the driver's, finds the partition's chain, reads its
 * source, runs it through fused loops, and puts the records where the task's kind says: map outputs into the shuffle
 * store, results into the answer. It always ends with a TaskResult: an error of the user's, whether thrown, failed or
 * died of, is a Failed that names the operator; nothing escapes. A long partition gives way between slices.
 */
import { type Context, Effect } from "effect"
import type { Payload } from "../../core/dstream/BatchPlan.ts"
import type { Derivation, SealedRDD } from "../../core/dstream/Derivation.ts"
import { chunkOf, type ChunkReader } from "../../core/dstream/InputDStream.ts"
import type { PartitionContext } from "../../core/dstream/Output.ts"
import { effectOf, tellMissingService } from "../../core/dstream/UserEffect.ts"
import type { Action, RunTasks, TaskDescription, TaskResult } from "../../core/protocol/ExecutorProtocol.ts"
import * as Fusion from "../../core/rdd/Fusion.ts"
import { type Boundary, boundarySink, crossBoundary, type Segment, segmentsOf } from "../../core/rdd/Segment.ts"
import * as Sink from "../../core/rdd/Sink.ts"
import { type Chain, chainOf, isShuffled, mapSide } from "../../core/rdd/Stage.ts"
import type { BlockReader } from "./BlockReader.ts"
import * as Pace from "./Pace.ts"
import { readShuffle, type ShuffleSources } from "./shuffle/ShuffleReader.ts"
import { failed, failedOf, faultOf, messageOf, type TaskFault } from "./TaskFault.ts"

/** What an output does on executors with a partition. */
export type PartitionFunction = (
  records: ReadonlyArray<any>,
  context: PartitionContext
) => Effect.Effect<unknown, any, any>

export interface TaskRunnerOptions extends ShuffleSources {
  readonly derivation: Derivation
  readonly reader: BlockReader
  readonly outputs: (output: string) => PartitionFunction | undefined
  /** What the app's layer provides. */
  readonly context: Context.Context<any>
  readonly codeGeneration: boolean
}

type Done = Extract<TaskResult, { readonly kind: "Done" }>

export interface TaskRunner {
  readonly run: (work: RunTasks, task: TaskDescription) => Effect.Effect<TaskResult>
}

export const make = (options: TaskRunnerOptions): TaskRunner => ({
  run: (work, task) =>
    runTask(options, work, task).pipe(
      Effect.catchCause((cause) =>
        Effect.succeed(faultOf({ operator: work.stage, partition: task.partition }, cause).result)
      )
    )
})

const runTask = Effect.fnUntraced(function* (
  options: TaskRunnerOptions,
  work: RunTasks,
  { partition }: TaskDescription
): Effect.fn.Return<Done, TaskFault> {
  const rdd = options.derivation.rdd(work.stage)
  const place = { operator: rdd.identity.operator, partition }
  const fault = differs(options.derivation, rdd, work.digest)
  if (fault !== undefined) return yield* Effect.fail(failed(place, fault))
  const pace = yield* Pace.make
  const run = <R>(chain: Chain, sink: Sink.Sink<R>) => runChain(options, work, chain, sink, pace)
  const done = (records: number, value?: Payload): Done => ({
    kind: "Done",
    value,
    records,
    bytes: value?.kind === "bytes" ? value.bytes.byteLength : 0
  })
  if (work.work.kind === "map") {
    if (!isShuffled(rdd)) {
      return yield* Effect.fail(failed(place, `RDD ${work.stage} is no shuffle, and has no map tasks`))
    }
    const { operator } = rdd.identity
    const blocks = yield* run(
      chainOf(mapSide(rdd), partition),
      Sink.shuffle(rdd.lineage.dependency, partition, operator)
    )
    return done(options.store.put(work.stage, partition, blocks))
  }
  return yield* act(options, work.work.action, rdd, partition, (sink) => run(chainOf(rdd, partition), sink), done)
})

/** What a result task does with its records. */
const act = Effect.fnUntraced(function* (
  { border, context, outputs }: TaskRunnerOptions,
  action: Action,
  { identity: { operator, time } }: SealedRDD,
  partition: number,
  run: <R>(sink: Sink.Sink<R>) => Effect.Effect<R, TaskFault>,
  done: (records: number, value?: Payload) => Done
): Effect.fn.Return<Done, TaskFault> {
  switch (action.kind) {
    case "count": {
      const count = yield* run(Sink.count)
      return done(count, border.pack(count))
    }
    case "collect":
    case "take": {
      const records = yield* run(action.kind === "take" ? Sink.take(action.count) : Sink.collect)
      const value = yield* Effect.try({
        try: () => border.pack(records),
        catch: (error) =>
          failed({ operator, partition }, `its records cannot leave their executor: ${messageOf(error)}`)
      })
      return done(records.length, value)
    }
    case "foreachPartition": {
      const place = { operator: action.output, partition }
      const output = outputs(action.output)
      if (output === undefined) {
        return yield* Effect.fail(failed(place, `the program of this executor has no output "${action.output}"`))
      }
      const records = yield* run(Sink.collect)
      yield* effectOf("foreachPartition", output)(records, { time, partition }).pipe(
        Effect.provideContext(context),
        tellMissingService,
        Effect.catchCause((cause) => Effect.fail(failedOf(place, cause)))
      )
      return done(records.length)
    }
  }
})

const differs = (derivation: Derivation, rdd: SealedRDD, digest: string): string | undefined => {
  const own = derivation.digest(rdd)
  return own === digest
    ? undefined
    : `the lineage of RDD ${rdd.identity.id} differs between driver (digest ${digest}) and ` +
      `executor (${own}): the operator has to make the same RDDs from the same plan in every process`
}

const runChain = Effect.fnUntraced(function* <R>(
  options: TaskRunnerOptions,
  work: RunTasks,
  chain: Chain,
  sink: Sink.Sink<R>,
  pace: Pace.Pace
): Effect.fn.Return<R, TaskFault> {
  let reader = yield* open(options, work, chain, pace)
  const partition = chain.source.partition
  const segments = segmentsOf(chain.steps)
  for (const segment of segments) {
    if (segment.end !== undefined) reader = yield* runSegment(options, segment, segment.end, reader, pace, partition)
  }
  return yield* drain(Fusion.fuse(segments.at(-1)!.steps, sink, fusionOf(options)), reader, pace)
})

const fusionOf = ({ codeGeneration }: TaskRunnerOptions): Fusion.FusionOptions => ({
  codeGeneration: codeGeneration ? "auto" : false
})

const open = (
  options: TaskRunnerOptions,
  { places }: RunTasks,
  { source }: Chain,
  pace: Pace.Pace
): Effect.Effect<ChunkReader<unknown, TaskFault>, TaskFault> => {
  switch (source.kind) {
    case "literal":
      return Effect.succeed(chunkOf(source.records))
    case "input":
      return options.reader.read(source, places)
    case "shuffle": {
      const { id } = source.shuffle.identity
      return readShuffle(source, places.shuffles.find(([shuffle]) => shuffle === id)?.[1] ?? [], options, pace)
    }
  }
}

/** A segment and the partition-wise operation that ends it: what comes out is the next segment's input. */
const runSegment = Effect.fnUntraced(function* (
  options: TaskRunnerOptions,
  { steps }: Segment,
  end: Boundary,
  reader: ChunkReader<unknown, TaskFault>,
  pace: Pace.Pace,
  partition: number
): Effect.fn.Return<ChunkReader<unknown, TaskFault>, TaskFault> {
  const records = yield* drain(Fusion.fuse(steps, boundarySink(end), fusionOf(options)), reader, pace)
  const { op, operator } = end
  if (op.kind !== "mapEffect") return chunkOf(crossBoundary({ op, operator }, records))
  const f = effectOf("mapEffect", op.f)
  const results = Effect.forEach(records, (record) => f(record), { concurrency: op.concurrency }).pipe(
    Effect.provideContext(options.context),
    tellMissingService,
    Effect.catchCause((cause) => Effect.fail(failedOf({ operator, partition }, cause)))
  )
  return chunkOf(yield* results)
})

/** Runs all records of a reader through a loop, slice by slice. */
const drain = Effect.fnUntraced(function* <R>(
  loop: Fusion.Loop<R>,
  reader: ChunkReader<unknown, TaskFault>,
  pace: Pace.Pace
): Effect.fn.Return<R, TaskFault> {
  const run = loop.start()
  while (true) {
    const chunk = yield* reader.next
    if (chunk === undefined) return run.finish()
    for (let from = 0; from < chunk.length; from += Fusion.sliceRecords) {
      if (!run.push(chunk, from, Math.min(from + Fusion.sliceRecords, chunk.length))) return run.finish()
      if (pace.isDue()) yield* pace.giveWay
    }
  }
})
