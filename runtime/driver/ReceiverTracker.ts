/**
 * ReceiverTracker: performs the pure ReceiverTracker and ReceivedBlockTracker on the driver.
 *
 * Two owners: the event loop owns the receivers, the log writer owns the blocks. The writer takes what waits in order:
 * additions that wait together are logged together; an addition, an allocation or a clean-up counts, and is answered, only
 * after its events are in the log. A failed append refuses the additions and fails the allocation; the state is as before.
 * On making, the state is the fold of the log. A defect ends the context through `fail`.
 * Source: Spark Streaming's `ReceiverTracker`.
 */
import { Clock, Deferred, Effect, Queue, type Scope } from "effect"
import type { BlockId, ReceivedBlockInfo } from "../../core/blocks/ReceivedBlock.ts"
import * as Blocks from "../../core/blocks/ReceivedBlockTracker.ts"
import type { ReceivedBlockTrackerLogEvent } from "../../core/blocks/ReceivedBlockTrackerLogEvent.ts"
import type { Asked } from "../../core/dstream/BatchPlan.ts"
import type { ReceiverAnswer, ReceiverMessage, ToExecutor } from "../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorId, StreamId } from "../../core/protocol/Ids.ts"
import type { ReceiverExecutor, ReceiverSchedulingPolicy } from "../../core/receiving/ReceiverSchedulingPolicy.ts"
import * as Receivers from "../../core/receiving/ReceiverTracker.ts"
import type { ReceivingSettings } from "../../core/receiving/ReceivingSettings.ts"
import type { ReceiverOfGraph } from "../../core/receiving/TrackedReceiver.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import type { Time } from "../../core/time/Time.ts"
import { type EventLog, EventLogError } from "../storage/EventLog.ts"
import type { BlockLocations } from "./BlockLocations.ts"
import * as EventLoop from "./EventLoop.ts"
import * as Supervisor from "../Supervisor.ts"

export interface ReceiverTracker {
  /** Places and launches all receivers. Executors that join later take those that wait. */
  readonly start: () => void
  /** Asks all receivers to stop; graceful: waits for every one to end, else for at most `stopWaitMillis`. */
  readonly stop: (options: { readonly graceful: boolean }) => Effect.Effect<void>
  readonly executorJoined: (executor: ReceiverExecutor) => void
  readonly executorLost: (executor: ExecutorId, reason: string) => void
  /** A message of a supervisor; the answer goes out through `send`. */
  readonly receive: (executor: ExecutorId, request: number, message: ReceiverMessage) => void
  /** An executor is said to hold these blocks; it is told to forget those that nobody knows. */
  readonly blocksHeld: (executor: ExecutorId, blocks: ReadonlyArray<BlockId>) => void
  readonly updateRate: (stream: StreamId, rate: number) => void
  /** Gives all waiting blocks to the batch, and logs them with what else it is made of; for an old time, what it was given then. */
  readonly allocateBlocksToBatch: (time: Time, asked?: Asked) => Effect.Effect<Blocks.BlocksOfBatch, EventLogError>
  readonly blocksOfBatch: (time: Time) => Blocks.BlocksOfBatch
  /** Whether blocks wait for a batch, or for the log. */
  readonly hasUnallocatedBlocks: () => boolean
  /** Forgets batches before a time in the past, and has their blocks forgotten by the executors that hold them. */
  readonly cleanup: (before: Time) => Effect.Effect<void, EventLogError>
  readonly allReceiverIds: () => ReadonlyArray<StreamId>
  /** Executor of each active receiver. */
  readonly allocatedExecutors: () => ReadonlyMap<StreamId, ExecutorId>
  /** Executors where a receiver is, active or not, or a block of one that is not logged yet. */
  readonly executorsInUse: () => ReadonlySet<ExecutorId>
}

export interface Options {
  readonly epoch: number
  readonly receivers: ReadonlyArray<ReceiverOfGraph>
  readonly policy: ReceiverSchedulingPolicy
  readonly settings: ReceivingSettings
  readonly log: EventLog<ReceivedBlockTrackerLogEvent>
  /** The state that an earlier driver left, to which the log adds; without it, the state is the fold of the log. */
  readonly recovered?: Blocks.ReceivedBlockTracker | undefined
  /** Told of every block that counts, until it is cleaned up. */
  readonly locations: BlockLocations
  readonly send: (executor: ExecutorId, message: ToExecutor) => void
  readonly post: (event: StreamingEvent) => void
  readonly fail: Supervisor.Fail<never>
}

export const make = (options: Options): Effect.Effect<ReceiverTracker, EventLogError, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const now = () => clock.currentTimeMillisUnsafe()
    const fork = yield* Supervisor.make(options.fail)
    const allStopped = yield* Deferred.make<void>()
    const state = Receivers.make(options)
    const registered = (stream: StreamId) => Receivers.registeredAttempt(state, stream)
    const blocks = yield* makeLogWriter(options, clock, fork, registered)

    const perform = (command: Receivers.ReceiverTrackerCommand): Effect.Effect<void> | void => {
      switch (command.kind) {
        case "Send":
          return options.send(command.executor, command.message)
        case "AddBlock":
          return blocks.add(command)
        case "AnswerRegistered":
          return blocks.registered(command)
        case "BlocksHeld":
          return blocks.held(command.executor, command.blocks)
        case "ScheduleRestart": {
          const { stream, attempt, delay } = command
          const restart = Effect.sync(() => loop.post({ kind: "RestartReceiver", stream, attempt, now: now() }))
          return void fork(Effect.andThen(Effect.sleep(delay), restart))
        }
        case "Post":
          return options.post(command.event)
        case "AllReceiversStopped":
          return void Deferred.doneUnsafe(allStopped, Effect.void)
      }
    }
    const loop = yield* EventLoop.make({
      name: "the ReceiverTracker",
      initial: state,
      step: (state, event: Receivers.ReceiverTrackerEvent) => [state, Receivers.step(state, event)] as const,
      perform
    }, options.fail)

    const stop = ({ graceful }: { readonly graceful: boolean }) =>
      Effect.suspend(() => {
        loop.post({ kind: "StopAllReceivers", now: now() })
        const stopped = Deferred.await(allStopped)
        return graceful ? stopped : Effect.asVoid(Effect.timeoutOption(stopped, options.settings.stopWaitMillis))
      })

    const tracker: ReceiverTracker = {
      start: () => loop.post({ kind: "StartAllReceivers", now: now() }),
      stop,
      executorJoined: (executor) => loop.post({ kind: "ExecutorJoined", executor, now: now() }),
      executorLost: (executor, reason) => loop.post({ kind: "ExecutorLost", executor, reason, now: now() }),
      receive: (executor, request, message) =>
        loop.post({ kind: "FromExecutor", executor, request, message, now: now() }),
      blocksHeld: (executor, held) => loop.post({ kind: "BlocksHeld", executor, blocks: held, now: now() }),
      updateRate: (stream, rate) => loop.post({ kind: "UpdateReceiverRateLimit", stream, rate, now: now() }),
      allocateBlocksToBatch: blocks.allocate,
      blocksOfBatch: blocks.blocksOf,
      hasUnallocatedBlocks: blocks.hasUnallocated,
      cleanup: (before) =>
        Effect.map(blocks.cleanup(before), (gone) => {
          if (gone.length === 0) return
          const held = gone.map((info) => ({ ...info, locations: options.locations.of(info.block) }))
          for (const { block } of gone) options.locations.forget(block)
          loop.post({ kind: "CleanupOldBlocks", blocks: held, now: now() })
        }),
      allReceiverIds: () => Receivers.allReceiverIds(state),
      allocatedExecutors: () => Receivers.allocatedExecutors(state),
      executorsInUse: () => new Set([...Receivers.executorsInUse(state), ...blocks.unwrittenOf()])
    }
    return tracker
  })

// The log writer: the one owner of the ReceivedBlockTracker

interface Addition {
  readonly executor: ExecutorId
  readonly request: number
  readonly info: ReceivedBlockInfo
}

type Registration = Omit<Extract<Receivers.ReceiverTrackerCommand, { readonly kind: "AnswerRegistered" }>, "kind">

type Work =
  | { readonly kind: "Additions"; readonly additions: Array<Addition> }
  | { readonly kind: "Held"; readonly executor: ExecutorId; readonly blocks: ReadonlyArray<BlockId> }
  | { readonly kind: "Registered"; readonly registration: Registration }
  | {
    readonly kind: "Command"
    readonly command: Blocks.ReceivedBlockTrackerCommand
    readonly done: Deferred.Deferred<ReadonlyArray<ReceivedBlockTrackerLogEvent>, EventLogError>
  }

const makeLogWriter = Effect.fnUntraced(function* (
  { receivers, recovered, log, locations, send }: Options,
  clock: Clock.Clock,
  fork: Supervisor.Fork<never>,
  registered: (stream: StreamId) => number | undefined
) {
  const state = recovered ?? Blocks.make(receivers.map(({ stream }) => stream))
  const apply = (event: ReceivedBlockTrackerLogEvent) => {
    Blocks.apply(state, event)
    if (event.kind === "BlockAddition") locations.add(event.info)
  }
  if (recovered === undefined) { for (const event of yield* log.readAll) apply(event) }
  for (const info of Blocks.heldBlocks(state)) locations.add(info)
  const work = yield* Queue.unbounded<Work>()
  // Bounded by the questions that supervisors may have open.
  let waitingAdditions: Array<Addition> | undefined
  const unwritten = new Set<Addition>()

  const add = (addition: Addition): void => {
    unwritten.add(addition)
    if (waitingAdditions !== undefined) return void waitingAdditions.push(addition)
    waitingAdditions = [addition]
    Queue.offerUnsafe(work, { kind: "Additions", additions: waitingAdditions })
  }

  const write = (events: ReadonlyArray<ReceivedBlockTrackerLogEvent>): Effect.Effect<void, EventLogError> =>
    events.length === 0 ? Effect.void : Effect.tap(log.append(events), () => Effect.sync(() => events.forEach(apply)))

  const writeAdditions = Effect.fnUntraced(function* (additions: Array<Addition>) {
    if (additions === waitingAdditions) waitingAdditions = undefined
    const plans = additions.map(({ info }) =>
      Blocks.plan(state, { kind: "AddBlock", info, registered: registered(info.stream) })
    )
    const events = new Map<string, ReceivedBlockTrackerLogEvent>()
    additions.forEach(({ info }, i) => {
      const plan = plans[i]!
      if (plan.kind === "Accepted" && plan.events.length > 0) events.set(info.block, plan.events[0]!)
    })
    const written = yield* Effect.result(write(Array.from(events.values())))
    for (const addition of additions) unwritten.delete(addition)
    // The driver is about to end. What the next one finds counts, so nobody is told that it does not.
    if (written._tag === "Failure" && written.failure.undecided === true) return
    additions.forEach(({ executor, request, info }, i) => {
      const plan = plans[i]!
      const isNew = plan.kind === "Accepted" && plan.events.length > 0
      const answer: ReceiverAnswer = plan.kind === "Refused"
        ? { kind: "Refused", reason: plan.reason }
        : plan.kind === "Repeated"
        ? { kind: "Accepted", repeated: true }
        : isNew && written._tag === "Failure"
        ? {
          kind: "Refused",
          reason: `block ${info.block} could not be logged: ${written.failure.message}`,
          mayPass: true
        }
        : { kind: "Accepted" }
      send(executor, { kind: "ReceiverAnswer", request, answer })
    })
  })

  const perform = Effect.fnUntraced(function* (command: Blocks.ReceivedBlockTrackerCommand) {
    const plan = Blocks.plan(state, command)
    if (plan.kind !== "Accepted") {
      return yield* new EventLogError({ message: plan.kind === "Refused" ? plan.reason : "it is done already" })
    }
    yield* write(plan.events)
    return plan.events
  })

  const noteHolder = (executor: ExecutorId, held: ReadonlyArray<BlockId>) => {
    const unknown = held.filter((block) => !locations.held(block, executor))
    if (unknown.length > 0) send(executor, { kind: "Forget", before: 0, blocks: unknown })
  }

  const answerRegistered = ({ executor, request, stream }: Registration) => {
    const marks = Blocks.marksOf(state, stream)
    const answer: ReceiverAnswer = { kind: "Accepted", ...(marks.length === 0 ? {} : { marks }) }
    send(executor, { kind: "ReceiverAnswer", request, answer })
  }

  fork(Effect.gen(function* () {
    while (true) {
      const next = yield* Queue.take(work)
      if (next.kind === "Additions") yield* writeAdditions(next.additions)
      else if (next.kind === "Held") noteHolder(next.executor, next.blocks)
      else if (next.kind === "Registered") answerRegistered(next.registration)
      else yield* Deferred.into(perform(next.command), next.done)
    }
  }))

  const ask = Effect.fnUntraced(function* (command: Blocks.ReceivedBlockTrackerCommand) {
    const done = yield* Deferred.make<ReadonlyArray<ReceivedBlockTrackerLogEvent>, EventLogError>()
    // What is added from now on comes after this command.
    waitingAdditions = undefined
    Queue.offerUnsafe(work, { kind: "Command", command, done })
    return yield* Deferred.await(done)
  })

  return {
    add,
    /** After all that was added before. */
    held: (executor: ExecutorId, held: ReadonlyArray<BlockId>) => {
      Queue.offerUnsafe(work, { kind: "Held", executor, blocks: held })
    },
    /** After all that was added before. */
    registered: (registration: Registration) => {
      Queue.offerUnsafe(work, { kind: "Registered", registration })
    },
    allocate: (time: Time, asked?: Asked) =>
      Effect.map(ask({ kind: "AllocateBatch", time, asked }), () => Blocks.blocksOf(state, time)),
    cleanup: Effect.fnUntraced(function* (before: Time) {
      const dropped: Array<ReceivedBlockInfo> = []
      for (const [time, blocks] of state.batches) {
        if (time >= before) break
        for (const infos of blocks.values()) dropped.push(...infos)
      }
      yield* ask({ kind: "CleanupBatches", before, now: clock.currentTimeMillisUnsafe() })
      return dropped
    }),
    blocksOf: (time: Time) => Blocks.blocksOf(state, time),
    hasUnallocated: () => unwritten.size > 0 || Blocks.hasUnallocated(state),
    unwrittenOf: () => Array.from(unwritten, ({ executor }) => executor)
  }
})
