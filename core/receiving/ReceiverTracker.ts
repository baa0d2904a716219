/**
 * ReceiverTracker: the driver's side of all receivers: where each runs, as which attempt, and what becomes of it. Pure.
 *
 * | message | from | answer | effect |
 * | --- | --- | --- | --- |
 * | StartAllReceivers | driver | - | phase Started; every receiver is placed by the policy and launched |
 * | RestartReceiver | its own timer | - | launches the next attempt: where the last was, if that executor is there, else re-placed |
 * | CleanupOldBlocks | driver | - | the executors that hold these blocks are told to forget them |
 * | UpdateReceiverRateLimit | driver | - | kept for later launches, and sent to the running attempt |
 * | ReportError | supervisor | - | listeners are told, if it is of the current attempt |
 * | RegisterReceiver | supervisor | Accepted, Refused | Active; accepted behind what was added before, with the marks of sources; refused: other attempt, outside the plan, not Started |
 * | AddBlock | supervisor | Accepted, Refused | passed on to the ReceivedBlockTracker, which logs it first |
 * | DeregisterReceiver | supervisor | Accepted | Inactive; the job still runs, and may register again (a restart in place) |
 * | BlocksHeld | executor | - | passed on to who knows the holders; of a lost executor: no change |
 * | ReceiverEnded | supervisor | Accepted | the job is over; a new attempt is scheduled, unless it stopped for good |
 * | AllReceiverIds | driver | the streams | receivers that are Scheduled or Active |
 * | StopAllReceivers | driver | AllReceiversStopped | phase Stopping; StopReceiver to every job; answered when all have ended |
 * | ExecutorJoined, ExecutorLost | placement | - | receivers that wait for a place get one; those that were there are re-placed |
 *
 * Phases: Initialized -> Started -> Stopping -> Stopped. A receiver is Inactive -> Scheduled (launched) -> Active (registered) ->
 * Inactive. Invariants: attempts only grow; at most one attempt of a stream is registered, on the executor it was launched on;
 * AllReceiversStopped comes once, when no job is left; every question is answered once. A message may come twice or late: that
 * of an old attempt changes nothing.
 *
 * Restarts are without limit. The pause is `receiverRestartDelayMillis`, doubled with each failure in quick succession up to
 * its maximum, and as at first once an attempt lived for `receiverLivedMillis`. An executor's loss is no fault of a receiver:
 * the first one costs no pause. The state has one owner and is changed in place. Source: Spark Streaming's `ReceiverTracker`.
 */
import { type BlockId, blockId, type ReceivedBlockInfo } from "../blocks/ReceivedBlock.ts"
import type { ReceiverAnswer, ReceiverMessage } from "../protocol/ExecutorProtocol.ts"
import type { ExecutorId, StreamId } from "../protocol/Ids.ts"
import type { Time } from "../time/Time.ts"
import type { ReceiverExecutor, ReceiverSchedulingPolicy } from "./ReceiverSchedulingPolicy.ts"
import type { ReceiverTrackerCommand, ReceiverTrackerEvent } from "./ReceiverTrackerEvents.ts"
import { clearError, infoOf, noteError, restartDelay, track } from "./TrackedReceiver.ts"
import type { ReceiverOfGraph, RestartSettings, TrackedReceiver } from "./TrackedReceiver.ts"

export type Phase = "Initialized" | "Started" | "Stopping" | "Stopped"

export interface ReceiverTracker {
  readonly epoch: number
  readonly policy: ReceiverSchedulingPolicy
  readonly settings: RestartSettings
  phase: Phase
  readonly receivers: Map<StreamId, TrackedReceiver>
  readonly executors: Map<ExecutorId, ReceiverExecutor>
}

export type { ReceiverTrackerCommand, ReceiverTrackerEvent } from "./ReceiverTrackerEvents.ts"

type Commands = Array<ReceiverTrackerCommand>

export const make = (options: {
  readonly epoch: number
  readonly receivers: ReadonlyArray<ReceiverOfGraph>
  readonly policy: ReceiverSchedulingPolicy
  readonly settings: RestartSettings
}): ReceiverTracker => ({
  epoch: options.epoch,
  policy: options.policy,
  settings: options.settings,
  phase: "Initialized",
  executors: new Map(),
  receivers: new Map(options.receivers.map((receiver) => [receiver.stream, track(receiver)]))
})

/** Changes the state and gives the commands to perform, in order. */
export const step = (self: ReceiverTracker, event: ReceiverTrackerEvent): ReadonlyArray<ReceiverTrackerCommand> => {
  const out: Commands = []
  switch (event.kind) {
    case "StartAllReceivers":
      startAll(self, out)
      break
    case "RestartReceiver":
      restart(self, event.stream, event.attempt, out)
      break
    case "CleanupOldBlocks":
      forgetBlocks(self, event.blocks, out)
      break
    case "UpdateReceiverRateLimit":
      updateRate(self, event.stream, event.rate, out)
      break
    case "StopAllReceivers":
      stopAll(self, out)
      break
    case "ExecutorJoined":
      joined(self, event.executor, out)
      break
    case "ExecutorLost":
      lost(self, event.executor, event.now, out)
      break
    case "BlocksHeld": {
      const { blocks, executor } = event
      if (self.executors.has(executor)) out.push({ kind: "BlocksHeld", executor, blocks })
      break
    }
    case "FromExecutor":
      fromExecutor(self, event.executor, event.request, event.message, event.now, out)
      break
  }
  return out
}

/** Streams whose receivers are Scheduled or Active. */
export const allReceiverIds = (self: ReceiverTracker): ReadonlyArray<StreamId> =>
  Array.from(self.receivers.values()).filter(({ state }) => state !== "Inactive").map(({ stream }) => stream)

/** Executor of each active receiver. */
export const allocatedExecutors = (self: ReceiverTracker): ReadonlyMap<StreamId, ExecutorId> =>
  new Map(
    Array.from(self.receivers.values()).flatMap(({ stream, state, executor }) =>
      state === "Active" && executor !== undefined ? [[stream, executor]] : []
    )
  )

/** Executors on which a receiver was launched and has not ended. */
export const executorsInUse = (self: ReceiverTracker): ReadonlyArray<ExecutorId> =>
  Array.from(self.receivers.values()).flatMap(({ executor, launched }) => launched ? executor ?? [] : [])

/** The attempt that a stream's receiver is registered with. */
export const registeredAttempt = (self: ReceiverTracker, stream: StreamId): number | undefined =>
  self.receivers.get(stream)?.registered

// Launching

const startAll = (self: ReceiverTracker, out: Commands): void => {
  if (self.phase !== "Initialized") return
  self.phase = "Started"
  const plan = self.policy.schedule(Array.from(self.receivers.values()), Array.from(self.executors.values()))
  for (const receiver of self.receivers.values()) launch(receiver, plan.get(receiver.stream) ?? [], out)
}

const restart = (self: ReceiverTracker, stream: StreamId, attempt: number, out: Commands): void => {
  const receiver = self.receivers.get(stream)
  if (self.phase !== "Started" || receiver === undefined) return
  if (receiver.attempt !== attempt || receiver.launched || receiver.waitsForExecutor) return
  const stays = receiver.executor !== undefined && self.executors.has(receiver.executor)
  launch(receiver, stays ? [receiver.executor!] : replacement(self, receiver), out)
}

const replacement = (self: ReceiverTracker, receiver: TrackedReceiver): ReadonlyArray<ExecutorId> =>
  self.policy.reschedule(
    receiver,
    Array.from(self.receivers.values(), ({ stream, state, candidates, executor }) => ({
      stream,
      state,
      candidates,
      running: executor
    })),
    Array.from(self.executors.values())
  )

const launch = (receiver: TrackedReceiver, candidates: ReadonlyArray<ExecutorId>, out: Commands): void => {
  const executor = candidates[0]
  receiver.waitsForExecutor = executor === undefined
  if (executor === undefined) return
  receiver.attempt++
  receiver.launched = true
  receiver.state = "Scheduled"
  receiver.candidates = candidates
  receiver.executor = executor
  const { stream, attempt, rate } = receiver
  out.push({ kind: "Send", executor, message: { kind: "StartReceiver", stream, attempt, rateLimit: rate } })
}

const joined = (self: ReceiverTracker, executor: ReceiverExecutor, out: Commands): void => {
  self.executors.set(executor.executor, executor)
  if (self.phase !== "Started") return
  for (const receiver of self.receivers.values()) {
    if (receiver.waitsForExecutor) launch(receiver, replacement(self, receiver), out)
  }
}

// Ending

const lost = (self: ReceiverTracker, executor: ExecutorId, now: Time, out: Commands): void => {
  const there = self.executors.get(executor)
  self.executors.delete(executor)
  for (const receiver of self.receivers.values()) {
    if (receiver.launched && receiver.executor === executor) {
      deactivate(receiver, there?.host, out)
      jobEnded(self, receiver, now, "lost", out)
    }
  }
}

/** Why a job ended: by itself, with its executor, or for good. */
type End = "ended" | "lost" | "stopped"

const jobEnded = (self: ReceiverTracker, receiver: TrackedReceiver, now: Time, end: End, out: Commands): void => {
  const { activeSince, stream, attempt } = receiver
  receiver.launched = false
  receiver.activeSince = undefined
  if (self.phase === "Started" && end !== "stopped") {
    if (activeSince !== undefined && now - activeSince >= self.settings.receiverLivedMillis) receiver.quickFailures = 0
    const delay = end === "lost" && receiver.quickFailures === 0
      ? 0
      : restartDelay(self.settings, receiver.quickFailures)
    receiver.quickFailures++
    out.push({ kind: "ScheduleRestart", stream, attempt, delay })
  }
  endIfAllStopped(self, out)
}

const deactivate = (receiver: TrackedReceiver, host: string | undefined, out: Commands): void => {
  const wasActive = receiver.state === "Active"
  receiver.state = "Inactive"
  if (wasActive) out.push({ kind: "Post", event: { kind: "ReceiverStopped", receiver: infoOf(receiver, host) } })
}

const stopAll = (self: ReceiverTracker, out: Commands): void => {
  if (self.phase === "Stopping" || self.phase === "Stopped") return
  self.phase = "Stopping"
  for (const { stream, attempt, launched, executor } of self.receivers.values()) {
    if (!launched || executor === undefined) continue
    const message = { kind: "StopReceiver", stream, attempt, message: "Stopped by driver" } as const
    out.push({ kind: "Send", executor, message })
  }
  endIfAllStopped(self, out)
}

const endIfAllStopped = (self: ReceiverTracker, out: Commands): void => {
  if (self.phase !== "Stopping" || Array.from(self.receivers.values()).some(({ launched }) => launched)) return
  self.phase = "Stopped"
  out.push({ kind: "AllReceiversStopped" })
}

const forgetBlocks = (self: ReceiverTracker, blocks: ReadonlyArray<ReceivedBlockInfo>, out: Commands): void => {
  const byExecutor = new Map<ExecutorId, Array<BlockId>>()
  for (const { block, locations } of blocks) {
    for (const executor of locations) {
      const there = byExecutor.get(executor)
      if (there === undefined) byExecutor.set(executor, [block])
      else there.push(block)
    }
  }
  for (const [executor, gone] of byExecutor) {
    if (!self.executors.has(executor)) continue
    // Only blocks: what else is forgotten before which time is said by who owns the plans.
    out.push({ kind: "Send", executor, message: { kind: "Forget", before: 0, blocks: gone } })
  }
}

const updateRate = (self: ReceiverTracker, stream: StreamId, rate: number, out: Commands): void => {
  const receiver = self.receivers.get(stream)
  if (receiver === undefined || !(rate > 0)) return
  receiver.rate = rate
  if (!receiver.launched || receiver.executor === undefined) return
  out.push({ kind: "Send", executor: receiver.executor, message: { kind: "UpdateRate", stream, rate } })
}

// Messages of supervisors

const accepted: ReceiverAnswer = { kind: "Accepted" }
const refused = (reason: string): ReceiverAnswer => ({ kind: "Refused", reason })

const fromExecutor = (
  self: ReceiverTracker,
  executor: ExecutorId,
  request: number,
  message: ReceiverMessage,
  now: Time,
  out: Commands
): void => {
  const answer = (answer: ReceiverAnswer) =>
    void out.push({ kind: "Send", executor, message: { kind: "ReceiverAnswer", request, answer } })
  if (message.kind === "AddBlock") {
    const refusal = refusalOfBlock(self, executor, message.info)
    if (refusal !== undefined) return answer(refused(refusal))
    return void out.push({ kind: "AddBlock", executor, request, info: message.info })
  }
  const receiver = self.receivers.get(message.stream)
  const current = receiver?.attempt === message.attempt && receiver.executor === executor && receiver.launched
  switch (message.kind) {
    case "ReportError":
      if (receiver === undefined || !current) return
      return reportError(self, receiver, message.message, message.error, now, out)
    case "RegisterReceiver": {
      const refusal = register(self, receiver, executor, message, now, out)
      if (refusal !== undefined) return answer(refused(refusal))
      return void out.push({ kind: "AnswerRegistered", executor, request, stream: message.stream })
    }
    case "DeregisterReceiver":
      if (receiver !== undefined && current) {
        noteError(receiver, message.message, message.error, now)
        deactivate(receiver, self.executors.get(executor)?.host, out)
      }
      return answer(accepted)
    case "ReceiverEnded":
      answer(accepted)
      if (receiver === undefined || !current) return
      deactivate(receiver, self.executors.get(executor)?.host, out)
      return jobEnded(self, receiver, now, message.stopped ? "stopped" : "ended", out)
  }
}

/** Why not; undefined: it is. */
const register = (
  self: ReceiverTracker,
  receiver: TrackedReceiver | undefined,
  executor: ExecutorId,
  { stream, attempt }: { readonly stream: StreamId; readonly attempt: number },
  now: Time,
  out: Commands
): string | undefined => {
  const who = `receiver of stream ${stream}, attempt ${attempt}, on executor ${executor}`
  if (receiver === undefined) return `${who}: the graph has no such stream`
  if (self.phase !== "Started") return `${who}: receivers are not started any more (${self.phase})`
  if (attempt !== receiver.attempt) return `${who}: the current attempt is ${receiver.attempt}`
  if (executor !== receiver.executor) {
    if (receiver.launched && receiver.state === "Scheduled") placeAgain(self, receiver, out)
    return `${who}: it is placed on executor ${receiver.executor ?? "none"}`
  }
  if (!receiver.launched) return `${who}: this attempt has ended`
  if (receiver.state === "Active") return undefined
  receiver.state = "Active"
  receiver.registered = attempt
  receiver.activeSince ??= now
  clearError(receiver)
  const info = infoOf(receiver, self.executors.get(executor)?.host)
  out.push({ kind: "Post", event: { kind: "ReceiverStarted", receiver: info } })
  return undefined
}

/** The attempt that turned up elsewhere is given up, also where it was meant to be. */
const placeAgain = (self: ReceiverTracker, receiver: TrackedReceiver, out: Commands): void => {
  const { stream, attempt, executor } = receiver
  const message = { kind: "StopReceiver", stream, attempt, message: "Registered from outside its plan" } as const
  if (executor !== undefined) out.push({ kind: "Send", executor, message })
  receiver.state = "Inactive"
  receiver.launched = false
  launch(receiver, replacement(self, receiver), out)
}

const refusalOfBlock = (self: ReceiverTracker, executor: ExecutorId, info: ReceivedBlockInfo): string | undefined => {
  const receiver = self.receivers.get(info.stream)
  const who = `block ${info.block} of executor ${executor} was refused`
  if (receiver === undefined) return `${who}: the graph has no stream ${info.stream}`
  if (!self.executors.has(executor)) return `${who}: the executor is lost, and the block with it`
  if (self.phase === "Stopped") return `${who}: the receivers are stopped`
  if (info.block !== blockId({ ...info, epoch: self.epoch })) {
    return `${who}: its identity is not of epoch ${self.epoch}`
  }
  if (info.attempt === receiver.registered && receiver.executor !== executor && receiver.attempt === info.attempt) {
    return `${who}: its attempt is registered from executor ${receiver.executor ?? "none"}`
  }
  return undefined
}

const reportError = (
  self: ReceiverTracker,
  receiver: TrackedReceiver,
  message: string,
  error: string | undefined,
  now: Time,
  out: Commands
): void => {
  noteError(receiver, message, error, now)
  const host = receiver.executor === undefined ? undefined : self.executors.get(receiver.executor)?.host
  out.push({ kind: "Post", event: { kind: "ReceiverError", receiver: infoOf(receiver, host) } })
}
