/**
 * TaskRunner: runs one task to its end. Source: Spark's `ShuffleMapTask` and `ResultTask`.
 *
 * Derives the RDD from graph and plans, compares its digest with the driver's, finds the partition's chain, runs it, and
 * puts the records where the task's kind says: map outputs into the shuffle store, the inputs of a state into its next step,
 * results into the answer. It always ends with a TaskResult: an error of the user's, whether thrown, failed or
 * died of, is a Failed that names the operator; nothing escapes. A long partition gives way between slices.
 */
import { Effect } from "effect"
import type { Payload } from "../../../core/dstream/BatchPlan.ts"
import { whyGraphsDiffer } from "../../../core/dstream/DStreamGraph.ts"
import type { Derivation, SealedRDD } from "../../../core/dstream/Derivation.ts"
import type { Action, RunTasks, TaskDescription, TaskResult } from "../../../core/protocol/ExecutorProtocol.ts"
import * as Sink from "../../../core/rdd/Sink.ts"
import { type Chain, chainOf, inputChains, isShuffled, isState, mapSide } from "../../../core/rdd/Stage.ts"
import * as Pace from "../Pace.ts"
import { cannotLeave, failed, faultOf, messageOf, type TaskFault } from "../TaskFault.ts"
import { type ChainSources, runChain } from "./ChainRunner.ts"
import * as OutputTask from "./OutputTask.ts"

export interface TaskRunnerOptions extends ChainSources, OutputTask.OutputTaskHost {
  readonly derivation: Derivation
  readonly outputs: (output: string) => OutputTask.OutputTask | undefined
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
  { attempt, partition, restore }: TaskDescription
): Effect.fn.Return<Done, TaskFault> {
  const rdd = options.derivation.rdd(work.stage)
  const place = { operator: rdd.identity.operator, partition }
  const fault = differs(options.derivation, rdd, work.digest)
  if (fault !== undefined) return yield* Effect.fail(failed(place, fault))
  const pace = yield* Pace.make
  const run = <R>(chain: Chain, sink: Sink.Sink<R>) => runChain(options, work.places, chain, sink, pace)
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
  if (work.work.kind === "state") {
    if (!isState(rdd)) return yield* Effect.fail(failed(place, `RDD ${work.stage} is no state, and takes no step`))
    const inputs = Effect.forEach(
      inputChains(rdd, partition),
      (chain, i) =>
        Effect.map(run(chain, Sink.collect), (records) => ({
          time: rdd.lineage.inputTimes[i]!,
          records: records as ReadonlyArray<readonly [unknown, unknown]>
        }))
    )
    const { snapshot } = work.work
    return done(yield* options.states.step({ state: rdd, partition, restore, snapshot, inputs, pace }))
  }
  const onRecords = <R>(sink: Sink.Sink<R>) => run(chainOf(rdd, partition), sink)
  return yield* act(options, work.work.action, rdd, { partition, attempt }, onRecords, done)
})

/** What a result task does with its records. */
const act = Effect.fnUntraced(function* (
  options: TaskRunnerOptions,
  action: Action,
  rdd: SealedRDD,
  { attempt, partition }: { readonly attempt: number; readonly partition: number },
  run: <R>(sink: Sink.Sink<R>) => Effect.Effect<R, TaskFault>,
  done: (records: number, value?: Payload) => Done
): Effect.fn.Return<Done, TaskFault> {
  const { border, outputs } = options
  const { identity: { operator, time }, numPartitions } = rdd
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
        catch: (error) => cannotLeave({ operator, partition }, messageOf(error))
      })
      return done(records.length, value)
    }
    case "foreachPartition": {
      const { output } = action
      const task = outputs(output)
      if (task === undefined) {
        const place = { operator: output, partition }
        return yield* Effect.fail(failed(place, `the program of this executor has no output "${output}"`))
      }
      const records = yield* run(Sink.collect)
      const of = { rdd, time, output, partition, numPartitions, attempt: attempt - 1 }
      return done(records.length, yield* OutputTask.run(task, options, of, records))
    }
  }
})

const differs = (derivation: Derivation, rdd: SealedRDD, digest: string): string | undefined => {
  const own = derivation.digest(rdd)
  return own === digest
    ? undefined
    : `the lineage of RDD ${rdd.identity.id} differs between driver (digest ${digest}) and ` +
      `executor (${own}): the operator has to make the same RDDs from the same plan in every process. ${whyGraphsDiffer}`
}
