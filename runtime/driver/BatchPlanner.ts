/**
 * BatchPlanner: asks the world, once per batch, for everything that the lineage of the batch will depend on, and makes the plan.
 *
 * The receivers' blocks come from the ReceiverTracker; every direct input is asked by its planner, every side value is evaluated.
 * A plan that fails half-way is no plan: the generator reports the batch as failed. What planners of the batch took before
 * the failure stays taken; a planner that cannot be asked again has to say so in its own error.
 */
import { Cause, Effect, Schema, type Scope } from "effect"
import type { ReceivedBlockInfo } from "../../core/blocks/ReceivedBlock.ts"
import type { BatchPlan, InputAllocation, PartitionSpec } from "../../core/dstream/BatchPlan.ts"
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

export type Blocks = ReadonlyMap<StreamId, ReadonlyArray<ReceivedBlockInfo>>

export interface BatchPlanner {
  /** The plan of the batch at `time`; `blocks` are those that the tracker allocated to it. */
  readonly plan: (time: Time, blocks: Blocks) => Effect.Effect<BatchPlan, PlanningFailed>
  /** A graceful stop has begun: direct inputs are not asked any more, and are empty from now on. */
  readonly close: () => void
}

interface PlannedStream {
  readonly stream: StreamId
  readonly planner: InputPlanner<unknown>
}

/** Builds the planners of all direct inputs; they live as long as the scope. */
export const make = Effect.fnUntraced(function* (
  graph: DStreamGraph,
  zeroTime: Time,
  /** Records a second that an input may bring. */
  rateOf: (stream: StreamId) => number | undefined = () => undefined
): Effect.fn.Return<BatchPlanner, PlanningFailed, Border | Scope.Scope> {
  const border = yield* Border
  const planners: Array<PlannedStream> = []
  for (const node of graph.inputs) {
    if (node.stream.input?.kind !== "direct") continue
    const planner = yield* failing(
      node.id,
      zeroTime,
      node.stream.input.planner as Effect.Effect<InputPlanner, unknown, Scope.Scope>
    )
    planners.push({ stream: node.id, planner })
  }
  const { batchMillis } = graph
  let closed = false
  /** The last batch that was planned. */
  let last = zeroTime

  /** Throws where the records of a partition cannot leave the driver. */
  const recorded = (stream: StreamId, { description, records, partitions }: PlannedInput): InputAllocation => ({
    stream,
    records,
    ...(description === undefined ? {} : { description }),
    partitions: partitions.map((part): PartitionSpec =>
      part.kind === "records" ? { kind: "inline", data: border.pack(part.records), records: part.records.length } : part
    )
  })

  const planInput = ({ stream, planner }: PlannedStream, time: Time) =>
    failing(
      stream,
      time,
      Effect.gen(function* () {
        const planned = yield* planner.plan({ time, zeroTime, batchMillis, rate: rateOf(stream) })
        return planned && (yield* Effect.try({ try: () => recorded(stream, planned), catch: (error) => error }))
      })
    )

  const plan = Effect.fnUntraced(function* (time: Time, blocks: Blocks) {
    const inputs: Array<InputAllocation> = []
    for (const node of graph.inputs) {
      if (node.stream.input?.kind === "receiver") inputs.push(ofBlocks(node.id, blocks.get(node.id) ?? []))
    }
    for (const planned of planners) {
      const input = closed ? ofBlocks(planned.stream, []) : yield* planInput(planned, time)
      if (input !== undefined) inputs.push(input)
    }
    const sideValues = yield* evaluateSideValues(graph.nodes, time)
    const missed = time - last > batchMillis ? { missedSince: last } : {}
    last = time
    return { time, zeroTime, ...missed, inputs, sideValues }
  })
  return { plan, close: () => void (closed = true) }
})

const ofBlocks = (stream: StreamId, blocks: ReadonlyArray<ReceivedBlockInfo>): InputAllocation => ({
  stream,
  records: blocks.reduce((sum, block) => sum + (block.records ?? 0), 0),
  partitions: blocks.map(({ block, records }) => ({ kind: "block", block, records }))
})

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
