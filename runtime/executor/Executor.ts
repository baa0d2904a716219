/**
 * Executor: the main loop of an executor. Source: Spark's `CoarseGrainedExecutorBackend` and `Executor`.
 *
 * | message | what happens |
 * | --- | --- |
 * | RunTasks | its plans join the log, its tasks wait for one of `taskSlots` workers; an attempt that came before: no change |
 * | StartReceiver, StopReceiver, UpdateRate, ReceiverAnswer | to the receivers' supervisor |
 * | Forget | plans, shuffles, blocks, kept partitions and versions of states are dropped |
 * | Peers | see `BlockReplicator` |
 * | TakeSnapshots | the newest versions of states are made safe |
 * | ReleaseState | a partition of a state is dropped |
 * | StopExecutor | `run` ends, at once; what runs is interrupted when its scope closes |
 * | FetchShuffle, FetchBlock, ReplicateBlock and their answers | see `Peers`; also while tasks run, for they give way |
 * | PeerLost | see `Peers` and `BlockReplicator` |
 *
 * Each message is handled at once and in order; only tasks wait, in a queue that the scheduler bounds to twice
 * `taskSlots`. Each attempt is told one TaskEnded. No failure of a task ends the executor; a defect of the executor
 * itself ends `run`, and the placement puts a new one in its place.
 */
import { Clock, type Context, Deferred, Effect, Exit, Queue, type Scope } from "effect"
import { uptimeMillis } from "../../core/time/Uptime.ts"
import type { BlockId } from "../../core/blocks/ReceivedBlock.ts"
import type { Derivation } from "../../core/dstream/Derivation.ts"
import type { InputDefinition, ReaderOf } from "../../core/dstream/InputDStream.ts"
import type {
  Forget,
  ReceiverAnswer,
  RunTasks,
  TaskDescription,
  ToExecutor
} from "../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorId, StreamId } from "../../core/protocol/Ids.ts"
import type { StateRDD } from "../../core/rdd/Stage.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import * as BlockReader from "./BlockReader.ts"
import type { ExecutorLink, Incoming } from "./ExecutorLink.ts"
import type { StateRunner } from "./state/StateRunner.ts"
import type { Peers } from "./Peers.ts"
import type { ShuffleStore } from "./shuffle/ShuffleStore.ts"
import type { OutputTask } from "./tasks/OutputTask.ts"
import type { PartitionCache } from "./tasks/PartitionCache.ts"
import * as TaskRunner from "./tasks/TaskRunner.ts"

/** The supervisor of this executor's receivers; its calls return at once. */
export interface Receivers {
  readonly start: (stream: StreamId, attempt: number, rateLimit: number | undefined) => void
  readonly stop: (stream: StreamId, attempt: number, message: string) => void
  readonly updateRate: (stream: StreamId, rate: number) => void
  readonly answer: (request: number, answer: ReceiverAnswer) => void
}

/** The blocks of this executor; its calls return at once. */
export interface Blocks extends BlockReader.LocalBlocks {
  /** Drops blocks that no task will need again; unknown ones are no matter. */
  readonly remove: (blocks: ReadonlyArray<BlockId>) => void
  /** All executors that are ready. */
  readonly peers: (executors: ReadonlyArray<ExecutorId>) => void
  readonly peerLost: (peer: ExecutorId) => void
}

export interface ExecutorSettings {
  readonly codeGeneration: boolean
  /** Tasks at once. 1. */
  readonly taskSlots?: number | undefined
}

export interface ExecutorOptions {
  readonly link: ExecutorLink
  readonly derivation: Derivation
  readonly inputs: (stream: StreamId) => InputDefinition<any, any, any> | undefined
  /** See `BlockReader`. */
  readonly ahead?: ReadonlyArray<ReaderOf<unknown>> | undefined
  readonly outputs: (output: string) => OutputTask | undefined
  readonly shuffles: ShuffleStore
  readonly states: StateRunner
  readonly cache: PartitionCache
  readonly peers: Peers
  readonly blocks: Blocks
  readonly receivers: Receivers
  /** What goes beside plans, shuffles and blocks when the driver says that batches are done with. */
  readonly forget: (what: Forget) => void
  /** What the app's layer provides, built in this executor. */
  readonly context: Context.Context<any>
  /** The app's name, the driver's epoch and its line: what outputs know batches by. */
  readonly app: string
  readonly epoch: number
  readonly line: string | undefined
  readonly settings: ExecutorSettings
}

/** Attempts that are remembered, so that a message that comes twice is no second run. */
const attemptsRememberedMax = 1024

interface Waiting {
  readonly work: RunTasks
  readonly task: TaskDescription
}

/** Runs until StopExecutor. The scope is the executor's: readers, receivers' fibers and answers to peers live in it. */
export const run = Effect.fnUntraced(
  function* (options: ExecutorOptions): Effect.fn.Return<void, never, Border | Scope.Scope> {
    const { blocks, link, peers, settings, shuffles } = options
    const { executor } = link
    const reader = yield* BlockReader.make({ ...options, executor })
    const { codeGeneration } = settings
    const runner = TaskRunner.make({
      ...options,
      executor,
      store: shuffles,
      reader,
      border: yield* Border,
      codeGeneration
    })
    const queue = yield* Queue.unbounded<Waiting>()
    const stopped = Deferred.makeUnsafe<void>()
    const obey = orders(options, queue, () => Deferred.doneUnsafe(stopped, Exit.void))
    link.onMessage((incoming: Incoming) => {
      if (incoming.kind === "FromDriver") obey(incoming.message)
      else if (incoming.kind === "FromPeer") peers.receive(incoming.peer, incoming.message)
      else {
        peers.lost(incoming.peer)
        blocks.peerLost(incoming.peer)
      }
    })
    link.toDriver({ kind: "ExecutorReady" })
    const slots = Array.from({ length: settings.taskSlots ?? 1 }, () => worker(queue, runner, link))
    const workers = Effect.forEach(slots, (slot) => slot, { concurrency: "unbounded", discard: true })
    yield* Effect.raceFirst(Deferred.await(stopped), workers)
  }
)

/** What each of the driver's messages does. */
const orders = (
  { blocks, derivation, receivers, shuffles, ...options }: ExecutorOptions,
  queue: Queue.Queue<Waiting>,
  stop: () => void
): (message: ToExecutor) => void => {
  const isNew = firstTimeOnly()
  const forget = (what: Forget) => {
    derivation.forgetBefore(what.before)
    shuffles.forgetBefore(what.before)
    shuffles.remove(what.shuffles ?? [])
    blocks.remove(what.blocks)
    options.forget(what)
  }
  return (message) => {
    switch (message.kind) {
      case "RunTasks":
        message.plans.forEach((plan) => derivation.addPlan(plan))
        for (const task of message.tasks) {
          if (isNew(`${task.task}/${task.attempt}`)) Queue.offerUnsafe(queue, { work: message, task })
        }
        return
      case "StartReceiver":
        return receivers.start(message.stream, message.attempt, message.rateLimit)
      case "StopReceiver":
        return receivers.stop(message.stream, message.attempt, message.message)
      case "UpdateRate":
        return receivers.updateRate(message.stream, message.rate)
      case "ReceiverAnswer":
        return receivers.answer(message.request, message.answer)
      case "Peers":
        return blocks.peers(message.executors)
      case "TakeSnapshots":
        for (const state of message.states) options.states.capture(state, () => derivation.rdd(state) as StateRDD)
        return
      case "ReleaseState":
        return options.states.release(message.operator, message.partition)
      case "Forget":
        return forget(message)
      case "StopExecutor":
        return stop()
    }
  }
}

/** Whether a name comes for the first time, as far as the last names go. */
const firstTimeOnly = () => {
  const names = new Set<string>()
  return (name: string): boolean => {
    if (names.has(name)) return false
    names.add(name)
    if (names.size > attemptsRememberedMax) names.delete(names.values().next().value!)
    return true
  }
}

const worker = (queue: Queue.Queue<Waiting>, runner: TaskRunner.TaskRunner, link: ExecutorLink): Effect.Effect<never> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    while (true) {
      const { task, work } = yield* Queue.take(queue)
      const started = uptimeMillis(clock)
      const result = yield* runner.run(work, task)
      const millis = uptimeMillis(clock) - started
      link.toDriver({ kind: "TaskEnded", stage: work.stage, task: task.task, attempt: task.attempt, result, millis })
    }
  })
