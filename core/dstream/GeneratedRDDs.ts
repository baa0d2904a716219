/**
 * GeneratedRDDs: what a process remembers of its lineage: `generatedRDDs: Time -> RDD` of every stream, and the batch plans.
 *
 * `getOrCompute` looks up, else checks that the time is valid, computes through the parents, seals and remembers, also that
 * there is no RDD. It is one synchronous step over memo, plans and zero time: a preempted check-then-set would compute twice.
 * The world has been asked before: all of it stands in the plan. Driver, executors and tests each have their own memo; what
 * they derive is a function of graph and plans alone. Source: Spark Streaming's `DStream.getOrCompute`.
 */
import { Context, Effect, Schema } from "effect"
import { digest } from "../protocol/Digest.ts"
import type { RddId, StreamId } from "../protocol/Ids.ts"
import * as RddIds from "../rdd/RddId.ts"
import * as RDD from "../rdd/RDD.ts"
import type { Interval } from "../time/Interval.ts"
import { floorTo, isMultipleOf, type Time } from "../time/Time.ts"
import type { BatchPlan } from "./BatchPlan.ts"
import type { Derivation, SealedRDD } from "./Derivation.ts"
import type { DStreamGraph, GraphNode } from "./DStreamGraph.ts"

/** The lineage of a batch could not be derived. */
export class LineageError extends Schema.TaggedError<LineageError>()("LineageError", {
  operator: Schema.String,
  time: Schema.Number,
  message: Schema.String,
  cause: Schema.optional(Schema.Defect())
}) {}

/** What lineage depends on besides graph and plans: the same in every process of a run. */
export interface LineageSettings {
  readonly defaultParallelism: number
}

export interface GeneratedRDDs extends Derivation {
  readonly getOrCompute: (stream: StreamId, time: Time) => SealedRDD | undefined
  /**
   * All batches up to `done` are done: forgets what lies a remember duration or more behind it, each stream by its own, but no plan
   * from `neededFrom` on.
   */
  readonly clearMetadata: (done: Time, neededFrom?: Time) => void
  /** The last time before `time` at which the stream had a batch; zero time if there was none. */
  readonly previousTime: (stream: StreamId, time: Time) => Time
  /** Whether a snapshot shall be taken of a stateful stream's version. */
  readonly isCheckpointDue: (stream: StreamId, time: Time) => boolean
  /** The batch times of which a stream still holds an answer, newest first. */
  readonly heldTimes: (stream: StreamId) => ReadonlyArray<Time>
  readonly plans: () => ReadonlyArray<BatchPlan>
}

/** The memo of the process in which an Effect runs. */
export class Memo extends Context.Service<Memo, GeneratedRDDs>()("dstreams/Memo") {}

/** The RDD of a stream at a batch time, over the memo of this process. */
export const getOrCompute = (stream: StreamId, time: Time): Effect.Effect<SealedRDD | undefined, LineageError, Memo> =>
  Effect.flatMap(Memo, (memo) =>
    Effect.try({
      try: () => memo.getOrCompute(stream, time),
      catch: (error) =>
        error instanceof LineageError ? error : new LineageError({ operator: stream, time, message: String(error) })
    }))

export const make = (graph: DStreamGraph, settings: LineageSettings): GeneratedRDDs => new Lineage(graph, settings)

const noInputs: Pick<BatchPlan, "inputs" | "sideValues"> = { inputs: [], sideValues: [] }

class Lineage implements GeneratedRDDs {
  private readonly graph: DStreamGraph
  private readonly settings: LineageSettings
  private readonly memo = new Map<StreamId, Map<Time, SealedRDD | undefined>>()
  private readonly batches = new Map<Time, BatchPlan>()
  private readonly byId = new Map<RddId, SealedRDD>()
  private readonly digests = new Map<RddId, string>()
  /** Stretches of time without batches, both ends left out. */
  private gaps: Array<Interval> = []
  private zeroTime: Time = Infinity
  /** Batches at or before it are not known: what is asked of them by operators that came later has no inputs. */
  private horizon: Time = -Infinity
  /** When operators began that came later than the app. */
  private births: ReadonlyMap<StreamId, Time> = new Map()

  constructor(graph: DStreamGraph, settings: LineageSettings) {
    this.graph = graph
    this.settings = settings
    for (const node of graph.nodes) this.memo.set(node.id, new Map())
  }

  addPlan(plan: BatchPlan): void {
    if (this.batches.has(plan.time)) return
    this.batches.set(plan.time, plan)
    this.zeroTime = plan.zeroTime
    if (plan.missedSince !== undefined) this.gaps.push({ begin: plan.missedSince, end: plan.time })
    if (plan.history === undefined) return
    this.horizon = plan.history.horizon
    this.births = new Map(plan.history.births)
  }

  plans(): ReadonlyArray<BatchPlan> {
    return [...this.batches.values()]
  }

  getOrCompute(stream: StreamId, time: Time): SealedRDD | undefined {
    const node = this.graph.node(stream)
    if (node === undefined) {
      throw new LineageError({
        operator: stream,
        time,
        message: `there is no operator "${stream}" in the graph of this process`
      })
    }
    const remembered = this.memo.get(stream)!
    if (remembered.has(time)) return remembered.get(time)
    if (!this.isValid(node, time) || this.gapAt(time) !== undefined) return undefined
    const rdd = this.compute(node, time)
    remembered.set(time, rdd)
    return rdd
  }

  /** Zero time, or when the operator began later. */
  private beginOf({ id }: GraphNode): Time {
    return Math.max(this.zeroTime, this.births.get(id) ?? -Infinity)
  }

  /** After the operator's begin, and a multiple of the slide from zero time. */
  private isValid(node: GraphNode, time: Time): boolean {
    return time > this.beginOf(node) && isMultipleOf(time - this.zeroTime, node.slideMillis)
  }

  private gapAt(time: Time): Interval | undefined {
    return this.gaps.find(({ begin, end }) => begin < time && time < end)
  }

  previousTime(stream: StreamId, time: Time): Time {
    return this.previousOf(this.graph.node(stream)!, time)
  }

  private previousOf(node: GraphNode, time: Time): Time {
    const { slideMillis } = node
    let previous = time - slideMillis
    for (let gap = this.gapAt(previous); gap !== undefined; gap = this.gapAt(previous)) {
      previous = this.zeroTime + floorTo(gap.begin - this.zeroTime, slideMillis)
    }
    return Math.max(previous, this.beginOf(node))
  }

  private compute(node: GraphNode, time: Time): SealedRDD | undefined {
    const plan = (): Pick<BatchPlan, "inputs" | "sideValues"> => {
      const found = this.batches.get(time) ?? (time <= this.horizon ? noInputs : undefined)
      if (found !== undefined) return found
      throw new LineageError({
        operator: node.id,
        time,
        message:
          `the plan of the batch ${time} ms is not known to this process; it is ahead of the driver, or has been forgotten`
      })
    }
    const previousTime = this.previousOf(node, time)
    try {
      const rdd = node.stream.compute({
        time,
        parent: (index, at = time) => this.getOrCompute(node.parents[index]!, at),
        get input() {
          const part = plan().inputs.find((input) => input.stream === node.id)
          return part && RDD.fromLineage({ kind: "input", stream: node.id, partitions: part.partitions })
        },
        sideValue: (key) => {
          const id = sideValueId(node.id, key)
          const recorded = plan().sideValues.find(([name]) => name === id)
          return Schema.decodeUnknownSync(node.stream.sideValues[key]!.schema)(recorded?.[1])
        },
        defaultParallelism: this.settings.defaultParallelism,
        batchMillis: this.graph.batchMillis,
        slideMillis: node.slideMillis,
        parentSlide: (index) => this.graph.node(node.parents[index]!)!.slideMillis,
        zeroTime: this.zeroTime,
        checkpointMillis: node.checkpointMillis,
        previousTime,
        previousState: previousTime > this.beginOf(node) ? RddIds.stateId(node.id, previousTime) : undefined
      })
      return rdd && this.seal(rdd, node.id, time)
    } catch (cause) {
      if (cause instanceof LineageError) throw cause
      const reason = cause instanceof Error ? cause.message : String(cause)
      const message = `operator "${node.id}" could not make its data set of batch ${time} ms: ${reason}`
      throw new LineageError({ operator: node.id, time, message, cause })
    }
  }

  /** Names every RDD of `top` that has no name yet, parents first. */
  private seal(top: RDD.AnyRDD, operator: StreamId, time: Time): SealedRDD {
    let position = 0
    const copies = new Map<RDD.AnyRDD, SealedRDD>()
    const walk = (rdd: RDD.AnyRDD): SealedRDD => {
      if (rdd.identity !== undefined) return rdd as SealedRDD
      const known = copies.get(rdd)
      if (known !== undefined) return known
      const parents = RDD.parentsOf(rdd).map(walk)
      const at = rdd.lineage.kind === "state" ? RddIds.statePosition : position++
      const identity = { id: RddIds.make({ stream: operator, time, position: at }), operator, time }
      const copy = RDD.sealed(rdd, parents, identity)
      copies.set(rdd, copy)
      this.byId.set(identity.id, copy)
      return copy
    }
    return walk(top)
  }

  rdd(id: RddId): SealedRDD {
    const known = this.byId.get(id)
    if (known !== undefined) return known
    const { stream, time } = RddIds.parse(id)
    this.getOrCompute(stream, time)
    const derived = this.byId.get(id)
    if (derived !== undefined) return derived
    throw new LineageError({
      operator: stream,
      time,
      message: `this process derives no data set "${id}"; driver and executor differ`
    })
  }

  digest(rdd: SealedRDD): string {
    const known = this.digests.get(rdd.identity.id)
    if (known !== undefined) return known
    const parents = RDD.parentsOf(rdd).map((parent) => this.digest(parent as SealedRDD))
    const shape = digest([rdd.identity.id, rdd.numPartitions, describe(rdd), ...parents].join("|"))
    this.digests.set(rdd.identity.id, shape)
    return shape
  }

  clearMetadata(done: Time, neededFrom = Infinity): void {
    for (const node of this.graph.nodes) this.drop(node.id, done - node.rememberMillis)
    this.dropPlans(Math.min(done - this.graph.rememberMillis, neededFrom - 1))
  }

  isCheckpointDue(stream: StreamId, time: Time): boolean {
    const node = this.graph.node(stream)
    return node !== undefined && this.isDue(node, time, this.previousOf(node, time))
  }

  /** Since the batch before, a multiple of the interval has been reached: batches may be missing. */
  private isDue({ checkpointMillis: every }: GraphNode, time: Time, previous: Time): boolean {
    return every !== undefined && floorTo(time - this.zeroTime, every) > floorTo(previous - this.zeroTime, every)
  }

  forgetBefore(time: Time): void {
    for (const node of this.graph.nodes) this.drop(node.id, time - 1)
    this.dropPlans(time - 1)
  }

  private drop(stream: StreamId, upTo: Time): void {
    const remembered = this.memo.get(stream)!
    for (const time of remembered.keys()) if (time <= upTo) remembered.delete(time)
  }

  private dropPlans(upTo: Time): void {
    for (const time of this.batches.keys()) if (time <= upTo) this.batches.delete(time)
    if (this.gaps.length > 0) this.gaps = this.gaps.filter(({ end }) => end > upTo)
    for (const [id, rdd] of this.byId) {
      if (rdd.identity.time > upTo) continue
      this.byId.delete(id)
      this.digests.delete(id)
    }
  }

  heldTimes(stream: StreamId): ReadonlyArray<Time> {
    return [...this.memo.get(stream) ?? []].flatMap(([time, rdd]) => rdd === undefined ? [] : [time]).sort((a, b) =>
      b - a
    )
  }
}

/** Id of a side value in a batch plan. */
export const sideValueId = (stream: StreamId, key: string): string => `${stream}#${key}`

const describe = ({ lineage }: RDD.AnyRDD): string => {
  switch (lineage.kind) {
    case "input":
      return `input ${lineage.partitions.map((part) => part.kind === "block" ? part.block : part.kind).join(",")}`
    case "reading":
      return `reading ${JSON.stringify(lineage.values)}`
    case "narrow":
      return lineage.op.kind
    case "shuffled":
      return lineage.dependency.kind === "spread" ? "spread" : `byKey ${lineage.dependency.partitioner.name}`
    case "zipped":
      return `zipped ${lineage.name}`
    case "state":
      return `state ${lineage.definition.kind} of ${lineage.inputTimes.join(",")} after ${lineage.previous ?? "none"}`
    case "stateView":
      return `view ${lineage.view}`
    default:
      return lineage.kind
  }
}
