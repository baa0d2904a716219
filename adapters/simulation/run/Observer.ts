/**
 * Observer: makes observations and the ledger's facts of what happens in one life, of a driver and its executors: messages as they
 * are sent and received, and what listeners are told. It reads, and never acts, save that it asks executors now and then what they
 * still hold. Executors are known by the names of their nodes, which no two lives share.
 */
import type { BlockId } from "../../../core/blocks/ReceivedBlock.ts"
import { checkpointOf } from "../../../core/checkpoint/names.ts"
import type { RecoveryReport } from "../../../core/checkpoint/RecoveryReport.ts"
import type { BatchPlan } from "../../../core/dstream/BatchPlan.ts"
import type {
  ReceiverMessage,
  RunTasks,
  ToDriver,
  ToExecutor,
  ToPeer
} from "../../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorId, RddId, StreamId } from "../../../core/protocol/Ids.ts"
import { timeOf } from "../../../core/rdd/RddId.ts"
import type { StreamingEvent } from "../../../core/scheduling/StreamingListener.ts"
import type { Time } from "../../../core/time/Time.ts"
import type { Incoming } from "../../../runtime/executor/ExecutorLink.ts"
import type { Observation, RecordsOfInputs } from "../invariants/Observation.ts"
import { canonical, type SimulationEvent } from "../kernel/EventLog.ts"
import type { SnapshotFaults } from "../outside/disks.ts"
import type { Ledger } from "./Ledger.ts"

export interface ObserverOptions {
  readonly driver: string
  /** The node of an executor as messages name it. */
  readonly nodeName: (executor: ExecutorId) => string
  /** Whether the driver has lost its place to another. */
  readonly isReplaced: () => boolean
  readonly ledger: Ledger
  readonly observe: (observation: Observation) => void
  /** A task has reached an executor. */
  readonly taskArrived: (executor: ExecutorId) => void
  /** An executor begins the step of a state, or has done one. */
  readonly stateWork: (phase: "crashInStep" | "crashAfterStep", executor: ExecutorId) => void
  /** Told of the complete snapshots that the driver knows of. */
  readonly snapshots: Pick<SnapshotFaults, "completed" | "recovered">
  /** Whether the level of a stream's receiver keeps each block at two executors. */
  readonly isReplicated: (stream: StreamId) => boolean
  /** Executors that live, and have been there for long. */
  readonly steady: () => ReadonlyArray<ExecutorId>
  /** After all delays and pauses. */
  readonly later: (look: () => void) => void
  /** An executor has been told to forget. */
  readonly told: (executor: ExecutorId, forgotten: Forgotten) => void
}

/** What an executor was told to forget, of what it held. */
export interface Forgotten {
  readonly before: Time
  readonly blocks: ReadonlyArray<BlockId>
  /** Map outputs that it made. */
  readonly outputs: ReadonlyArray<{ readonly shuffle: RddId; readonly mapPartition: number }>
}

export class Observer {
  private readonly options: ObserverOptions
  private readonly questions = new Map<string, ReceiverMessage>()
  private readonly attempts = new Map<string, number>()
  private readonly plansAt = new Map<ExecutorId, Set<Time>>()
  private readonly plans = new Set<Time>()
  private readonly tasks = new Map<
    string,
    { readonly stage: RddId; readonly work: RunTasks["work"]["kind"]; readonly partition: number }
  >()
  /** Blocks of which an executor was given a copy, by whom. */
  private readonly copiesAt = new Map<ExecutorId, Map<BlockId, ExecutorId>>()
  private readonly planned = new Set<BlockId>()
  private readonly outputsAt = new Map<ExecutorId, Array<{ readonly shuffle: RddId; readonly mapPartition: number }>>()

  constructor(options: ObserverOptions) {
    this.options = options
  }

  /** The attempt of a stream's receiver that a node was told to run last. */
  attemptAt(stream: StreamId, executor: ExecutorId): number {
    return this.attempts.get(`${executor} ${stream}`) ?? 0
  }

  readonly event = (event: SimulationEvent): void => {
    const { driver } = this.options
    if (event.kind === "Sent" && event.node === driver) {
      this.driverSends(event.data["to"] as string, event.attached as Incoming)
    } else if (event.kind === "Sent" && event.data["to"] === driver) {
      this.executorSends(event.node, event.attached as ToDriver)
    } else if (event.kind === "Received" && event.node === driver) {
      this.driverReceives(event.data["from"] as string, event.attached as ToDriver)
    } else if (event.kind === "Received" && event.data["from"] === driver) {
      this.executorReceives(event.node, event.attached as Incoming)
    } else if (event.kind === "Received") {
      this.peerReceives(event.node, event.data["from"] as string, event.attached as ToPeer)
    }
  }

  private driverSends(executor: ExecutorId, incoming: Incoming): void {
    if (incoming.kind !== "FromDriver") return
    const { message } = incoming
    const { observe } = this.options
    if (message.kind === "StartReceiver") {
      observe({ kind: "ReceiverOrdered", stream: message.stream, attempt: message.attempt, executor })
    } else if (message.kind === "RunTasks") this.tasksSent(executor, message)
    else if (message.kind === "ReceiverAnswer") this.answered(executor, message)
    else if (message.kind === "ReleaseState") {
      observe({ kind: "StateReleased", executor, operator: message.operator, partition: message.partition })
    } else if (message.kind === "Forget") {
      observe({ kind: "ForgetSent", before: message.before, blocks: message.blocks })
      const block = message.blocks.at(-1)
      if (block !== undefined) this.options.later(() => this.lookForCopies(block))
      const plans = this.plansAt.get(executor) ?? new Set()
      for (const time of plans) if (time < message.before) plans.delete(time)
    }
  }

  private tasksSent(executor: ExecutorId, { places, plans, stage, tasks, work }: RunTasks): void {
    const { ledger, observe } = this.options
    const known = this.plansAt.get(executor) ?? new Set()
    this.plansAt.set(executor, known)
    for (const plan of plans) {
      known.add(plan.time)
      if (this.plans.has(plan.time)) continue
      this.plans.add(plan.time)
      ledger.planned(plan, this.options.isReplaced())
      const parts = plan.inputs.flatMap(({ partitions }) => partitions).filter((part) => part.kind === "block")
      for (const { block } of parts) this.planned.add(block)
      observe({
        kind: "BatchAllocated",
        time: plan.time,
        blocks: parts.map(({ block }) => block),
        unlogged: parts.filter(({ log, lost }) => log === undefined && lost !== true).map(({ block }) => block),
        records: recordsOf(plan),
        contents: contentsText(plan)
      })
      for (const { block } of parts.filter(({ lost }) => lost === true)) this.ignored(block, plan.time)
    }
    if (plans.length > 0) observe({ kind: "PlansSent", executor, times: plans.map(({ time }) => time) })
    const all = [...known]
    const batch = timeOf(stage)
    for (const block of places.ignored) this.ignored(block, batch)
    const action = work.kind === "result" ? work.action : undefined
    for (const { attempt, partition, task } of tasks) {
      if (action?.kind === "foreachPartition") ledger.attemptSent(action.output, batch, partition)
      this.tasks.set(`${task}/${attempt}`, { stage, work: work.kind, partition })
      observe({ kind: "TaskSent", executor, stage, partition, task, attempt, batch, plans: all })
    }
  }

  private ignored(block: BlockId, batch: Time): void {
    this.options.ledger.blockIgnored(batch, block)
    this.options.observe({ kind: "BlockIgnored", block, batch })
  }

  private answered(executor: ExecutorId, { request, answer }: Extract<ToExecutor, { kind: "ReceiverAnswer" }>): void {
    const question = this.questions.get(`${executor}/${request}`)
    const accepted = answer.kind === "Accepted"
    const { ledger, observe } = this.options
    if (question?.kind === "AddBlock") {
      const { attempt, block, stream } = question.info
      ledger.blockAnswered(block, accepted)
      const repeated = answer.kind === "Accepted" && answer.repeated === true
      observe({ kind: "BlockAnswered", block, stream, attempt, executor, accepted, repeated })
    } else if (question?.kind === "RegisterReceiver") {
      observe({ kind: "ReceiverAnswered", stream: question.stream, attempt: question.attempt, executor, accepted })
    }
  }

  private executorSends(executor: ExecutorId, message: ToDriver): void {
    if (message.kind === "TaskEnded" && message.result.kind === "Done") {
      const work = this.tasks.get(`${message.task}/${message.attempt}`)?.work
      if (work === "state") this.options.stateWork("crashAfterStep", executor)
    }
    if (message.kind !== "ReceiverMessage") return
    this.questions.set(`${executor}/${message.request}`, message.message)
    if (message.message.kind !== "AddBlock") return
    const { info } = message.message
    const { isReplicated, ledger, observe, steady } = this.options
    const { block } = info
    const holders = info.locations.map(this.options.nodeName)
    ledger.blockReported({ ...info, locations: holders }, executor)
    const others = isReplicated(info.stream) ? steady().filter((other) => other !== executor) : []
    observe({ kind: "BlockReported", block, executor, holders, others, logged: info.log !== undefined })
  }

  private peerReceives(executor: ExecutorId, from: ExecutorId, message: ToPeer): void {
    if (message.kind !== "ReplicateBlock") return
    const copies = this.copiesAt.get(executor) ?? new Map<BlockId, ExecutorId>()
    this.copiesAt.set(executor, copies.set(message.block, from))
  }

  /** Long after a death: what the dead one gave to others, and is in no batch, has to be gone. */
  lookForOrphans(dead: ExecutorId): void {
    for (const [executor, copies] of this.copiesAt) {
      const orphans = [...copies].filter(([block, from]) => from === dead && !this.planned.has(block))
      this.lookFor(executor, orphans.map(([block]) => block))
    }
  }

  /** Long after a block was forgotten by one of its holders, it has to be gone everywhere. */
  private lookForCopies(block: BlockId): void {
    for (const [executor, copies] of this.copiesAt) if (copies.has(block)) this.lookFor(executor, [block])
  }

  private lookFor(executor: ExecutorId, blocks: ReadonlyArray<BlockId>): void {
    this.options.told(executor, { before: 0, blocks, outputs: [] })
  }

  private driverReceives(executor: ExecutorId, message: ToDriver): void {
    if (message.kind === "BlocksHeld") {
      for (const block of message.blocks) {
        this.options.observe({ kind: "BlockHeld", block, executor })
      }
    }
    if (message.kind !== "TaskEnded" || message.result.kind !== "Done") return
    const task = this.tasks.get(`${message.task}/${message.attempt}`)
    if (task?.work !== "map") return
    const made = this.outputsAt.get(executor) ?? []
    made.push({ shuffle: task.stage, mapPartition: task.partition })
    this.outputsAt.set(executor, made)
  }

  private executorReceives(executor: ExecutorId, incoming: Incoming): void {
    if (incoming.kind !== "FromDriver") return
    const { message } = incoming
    if (message.kind === "RunTasks") this.options.taskArrived(executor)
    if (message.kind === "RunTasks" && message.work.kind === "state") this.options.stateWork("crashInStep", executor)
    if (message.kind === "StartReceiver") {
      const key = `${executor} ${message.stream}`
      this.attempts.set(key, Math.max(message.attempt, this.attempts.get(key) ?? 0))
    }
    if (message.kind !== "Forget") return
    const { before, blocks } = message
    const made = this.outputsAt.get(executor) ?? []
    this.outputsAt.set(executor, made.filter(({ shuffle }) => timeOf(shuffle) >= before))
    this.options.told(executor, {
      before,
      blocks,
      outputs: made.filter(({ shuffle }) => timeOf(shuffle) < before)
    })
  }

  /** A listener of the driver. */
  readonly listener = (event: StreamingEvent): void => {
    const { ledger, observe } = this.options
    switch (event.kind) {
      case "BatchSubmitted":
        return observe({
          kind: event.kind,
          time: event.batch.time,
          outputs: event.batch.outputs.map(({ output }) => output),
          records: recordsOf(event.batch)
        })
      case "BatchCompleted":
        return observe({ kind: event.kind, time: event.batch.time })
      case "OutputOperationStarted":
        return observe({ kind: "JobStarted", time: event.operation.time, output: event.operation.output })
      case "OutputOperationCompleted": {
        const { failureReason, output, time } = event.operation
        return observe({ kind: "JobEnded", time, output, failed: failureReason !== undefined })
      }
      case "ExecutorAdded":
        return observe({ kind: "ExecutorJoined", executor: this.options.nodeName(event.executor) })
      case "ExecutorRemoved":
        return observe({ kind: "ExecutorLost", executor: this.options.nodeName(event.executor) })
      case "SnapshotCompleted":
        if (!this.options.isReplaced()) this.options.snapshots.completed(event.operator, event.time)
        return observe({ kind: event.kind, operator: event.operator, time: event.time, files: event.files })
      case "Recovered":
        for (const { stream } of event.report.lost) ledger.lossesReported.add(stream)
        this.options.snapshots.recovered(event.report)
        // Of the last ones its predecessor may have had no time to tell.
        for (const snapshot of event.report.snapshots) observe({ kind: "SnapshotCompleted", ...snapshot })
        return observe({
          kind: "RecoveredFrom",
          file: event.report.from.checkpoint,
          ...numbersOf(event.report),
          lost: event.report.lost.map(({ blocks, stream }) => ({ stream, blocks })),
          pending: event.report.pending
        })
      case "BlocksLost":
        return void ledger.lossesReported.add(event.stream)
    }
  }
}

/** What a probe of an executor asks, and whether the answer shows that it holds it. */
export const probeOf = ({ blocks, outputs }: Forgotten, request: number): ToPeer | undefined => {
  const output = outputs.at(-1)
  if (output !== undefined && (request % 2 === 0 || blocks.length === 0)) {
    const { shuffle, mapPartition } = output
    return { kind: "FetchShuffle", request, shuffle, mapPartitions: [mapPartition], reducePartition: 0 }
  }
  const block = blocks.at(-1)
  return block === undefined ? undefined : { kind: "FetchBlock", request, block }
}

/** What a batch is made of; not what became unreadable since. */
const contentsText = ({ inputs, sideValues, zeroTime }: BatchPlan): string =>
  canonical([
    zeroTime,
    sideValues,
    inputs.map(({ partitions, stream }) => [
      stream,
      partitions.map((part) => part.kind === "block" ? part.block : part.kind === "source" ? part.value : part.data)
    ])
  ])

const recordsOf = ({ inputs }: { readonly inputs: RecordsOfInputs }): RecordsOfInputs =>
  inputs.map(({ records, stream }) => ({ stream, records }))

const numbersOf = ({ from: { checkpoint, epoch } }: RecoveryReport) => ({
  epoch,
  sequence: checkpointOf(checkpoint)!.sequence
})
