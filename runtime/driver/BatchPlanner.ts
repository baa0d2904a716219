/**
 * BatchPlanner: asks the world, once per batch, for everything that the lineage of the batch will depend on, and makes the plan.
 *
 * Side values come first: where one cannot be had, nothing was taken yet, and the next batch takes it all. Then every direct input is
 * asked by its planner, and the ReceiverTracker logs the answers as one record with the blocks that it gives the batch. Where a
 * planner fails, the batch fails; but its plan stands, without that input, for what the others gave was taken: later windows and
 * states find it there.
 */
import { Cause, Effect, Result, Schema, type Scope } from "effect"
import type { Asked, BatchPlan, History, InputAllocation, PartitionSpec } from "../../core/dstream/BatchPlan.ts"
import type { DStreamGraph, GraphNode } from "../../core/dstream/DStreamGraph.ts"
import { sideValueId } from "../../core/dstream/GeneratedRDDs.ts"
import type { InputPlanner, PlannedInput } from "../../core/dstream/InputDStream.ts"
import type { AnySideValue } from "../../core/dstream/SideValue.ts"
import type { StreamId } from "../../core/protocol/Ids.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import { describeError } from "../../core/protocol/describeError.ts"
import type { Time } from "../../core/time/Time.ts"

/** An input or a side value could not be planned for a batch. */
export class PlanningFailed extends Schema.TaggedError<PlanningFailed>()("PlanningFailed", {
  operator: Schema.String,
  time: Schema.Number,
  message: Schema.String,
  cause: Schema.optional(Schema.Defect())
}) {}

export interface BatchPlanner {
  /** The side values of the batch at `time`. */
  readonly sideValues: (time: Time) => Effect.Effect<Asked["sideValues"], PlanningFailed>
  /** What the batch is made of besides received blocks. */
  readonly ask: (time: Time, sideValues: Asked["sideValues"]) => Effect.Effect<Answers>
  /** All batches up to this one are done: planners that want to know are told. */
  readonly completed: (upTo: Time) => Effect.Effect<void>
}

export interface Answers {
  readonly asked: Asked
  /** Inputs that could not be planned; `asked` says what the others gave. */
  readonly failures: ReadonlyArray<PlanningFailed>
}

/** What direct inputs gave to a batch. */
export type RecordedInputs = Pick<BatchPlan, "time" | "inputs">

/** From where batches are planned. */
export interface PlannerStart {
  readonly zeroTime: Time
  /** When this driver began. At zero time. */
  readonly started?: Time | undefined
  /** After a recovery: the last batch that was planned. */
  readonly last?: Time | undefined
  readonly history?: History | undefined
  /** After a recovery: what was given to the batches that are known, oldest first. */
  readonly recorded?: ReadonlyArray<RecordedInputs> | undefined
  /** After a recovery: where inputs stand. */
  readonly positions?: ReadonlyMap<StreamId, ReadonlyMap<string, unknown>> | undefined
  /** Records a second that an input may bring. */
  readonly rateOf?: ((stream: StreamId) => number | undefined) | undefined
}

interface PlannedStream {
  readonly stream: StreamId
  readonly planner: InputPlanner<unknown>
}

/** Builds the planners of all direct inputs, and tells them what they gave before; they live as long as the scope. */
export const make = Effect.fnUntraced(function* (
  graph: DStreamGraph,
  start: PlannerStart
): Effect.fn.Return<BatchPlanner, PlanningFailed, Border | Scope.Scope> {
  const { history, rateOf = () => undefined, recorded: before, zeroTime, started = zeroTime } = start
  const border = yield* Border
  const planners: Array<PlannedStream> = []
  for (const { id, stream: { input } } of graph.inputs) {
    if (input?.kind !== "direct") continue
    const planner = yield* failing(id, zeroTime, input.planner as Effect.Effect<InputPlanner, unknown, Scope.Scope>)
    if (before !== undefined) yield* failing(id, zeroTime, resume(planner, id, start, before))
    if (planner.begin !== undefined) yield* failing(id, zeroTime, planner.begin)
    planners.push({ stream: id, planner })
  }
  const { batchMillis } = graph
  let last = start.last ?? zeroTime

  /** Throws where the records of a partition cannot leave the driver. */
  const recorded = (
    stream: StreamId,
    { description, partitions, positions = [], records }: PlannedInput
  ): InputAllocation => ({
    stream,
    records,
    ...(description === undefined ? {} : { description }),
    ...(positions.length === 0 ? {} : { positions }),
    partitions: partitions.map((part): PartitionSpec =>
      part.kind === "records" ? { kind: "inline", data: border.pack(part.records), records: part.records.length } : part
    )
  })

  const askInput = ({ stream, planner }: PlannedStream, time: Time) =>
    failing(
      stream,
      time,
      Effect.gen(function* () {
        const planned = yield* planner.plan({ time, zeroTime, started, batchMillis, rate: rateOf(stream) })
        return planned && (yield* Effect.try({ try: () => recorded(stream, planned), catch: (error) => error }))
      })
    )

  const ask = Effect.fnUntraced(function* (time: Time, sideValues: Asked["sideValues"]) {
    const inputs: Array<InputAllocation> = []
    const failures: Array<PlanningFailed> = []
    for (const planned of planners) {
      const input = yield* Effect.result(askInput(planned, time))
      if (Result.isFailure(input)) failures.push(input.failure)
      else if (input.success !== undefined) inputs.push(input.success)
    }
    const missed = time - last > batchMillis ? { missedSince: last } : {}
    last = time
    return {
      asked: { zeroTime, ...missed, ...(history === undefined ? {} : { history }), inputs, sideValues },
      failures
    }
  })
  const completed = (upTo: Time) =>
    Effect.forEach(planners, ({ planner }) => planner.completed?.(upTo) ?? Effect.void, { discard: true })
  return { sideValues: (time) => evaluateSideValues(graph.nodes, time), ask, completed }
})

const resume = (
  planner: InputPlanner,
  stream: StreamId,
  { history, positions, zeroTime }: PlannerStart,
  plans: ReadonlyArray<RecordedInputs>
) => {
  const batches = plans.map(({ time, inputs }) => ({
    time,
    partitions: inputs.find((input) => input.stream === stream)?.partitions ?? []
  }))
  const begin = new Map(history?.births).get(stream) ?? zeroTime
  return planner.resume?.({ zeroTime, begin, batches, positions: new Map(positions?.get(stream)) }) ?? Effect.void
}

/** Each side value once, however many operators share it; recorded per operator as its schema encodes it. */
const evaluateSideValues = Effect.fnUntraced(function* (nodes: ReadonlyArray<GraphNode>, time: Time) {
  const known = new Map<AnySideValue, unknown>()
  const recorded: Array<readonly [string, unknown]> = []
  for (const node of nodes) {
    for (const [key, side] of Object.entries(node.stream.sideValues)) {
      if (!known.has(side)) {
        const encode = Schema.encodeUnknownEffect(side.schema)
        known.set(
          side,
          yield* failing(node.id, time, Effect.flatMap(side.effect as Effect.Effect<unknown, unknown>, encode))
        )
      }
      recorded.push([sideValueId(node.id, key), known.get(side)])
    }
  }
  return recorded
})

/** A user's error or defect, by operator and batch. */
const failing = <A, E, R>(operator: StreamId, time: Time, effect: Effect.Effect<A, E, R>) =>
  Effect.catchCause(effect, (cause): Effect.Effect<never, PlanningFailed> => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
    const error = Cause.squash(cause)
    const message = `what batch ${time} ms reads could not be planned, at operator "${operator}": ${
      describeError(error)
    }`
    return Effect.fail(new PlanningFailed({ operator, time, message, cause: error }))
  })
