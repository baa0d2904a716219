/**
 * JobGenerator: the machine that makes a batch of each tick, one at a time, and forgets behind the batches that are done.
 *
 * Spark Streaming's `JobGenerator`. Owner: `runtime/driver/JobGenerator.ts`.
 *
 * | phase | event | becomes | commands |
 * | --- | --- | --- | --- |
 * | Initialized | Started | Running | StartTimer, *next* |
 * | Running, Draining | TimerTicked | same | ReportMissed, by policy; *next* |
 * | Running, Draining | ClockSetBack | same | ReportClockSetBack; *next* |
 * | Running, Draining | BatchGenerated | same | SubmitJobSet, or *ended* if it has no jobs; DoCheckpoint; *next* |
 * | Running | GenerationFailed, `stop` | Stopped | ReportFailed, StopTimer, Fail, Stopped |
 * | Running | GenerationFailed, `skip` | same | ReportFailed, *ended*, *next* |
 * | Draining | GenerationFailed | same | ReportFailed; generating is over, the failure is told at the end; *next* |
 * | Running, Draining | BatchCompleted | same | *ended*, *next* |
 * | Running, Draining | CheckpointCompleted | same | ClearCheckpointData, if it was asked for and written; *next* |
 * | Initialized | StopRequested | Stopped | Stopped |
 * | Running | StopRequested, graceful | Draining | StopReceivers |
 * | Running, Draining | StopRequested, at once | Stopped | StopTimer, Stopped |
 * | Draining | ReceiversStopped | same | *next* |
 *
 * - *next*: GenerateJobs of the next tick if none is being generated and fewer than `openBatchesMax` batches are open. In
 *   Draining, once the receivers have stopped, nothing is unallocated, the ticks that were due when the stop was asked for have
 *   had their batches, and if there are direct inputs the one after them too (what is there for them at that moment belongs to
 *   it): StopTimer, and ticks that still wait are dropped; then, once no
 *   batch is open and no checkpoint under way: Fail, if generating had failed, and Stopped. While the clock is set back, that
 *   last batch waits for no tick: it comes ahead of the clock.
 * - *ended*: the batch is no longer open; if now all batches up to a later time than before are done: ClearMetadata and
 *   DoCheckpoint of that time.
 *
 * Ticks. Those that wait are a range, whatever the clock does. `replay`: every tick becomes a batch when its turn comes;
 * `coalesce`: of those that wait, the last; `skip`: a tick becomes a batch only if its turn is at once. Where an operator slides
 * by several batches and the last batch is in no slide of it yet, the tick at which it slides next is not passed over: what a batch has,
 * some window has. Ticks that come in one look at the clock with a later one, and those passed over, are reported. While the clock
 * is set back there are none.
 *
 * Invariants: batch times only grow (under `replay` by one interval); ClearMetadata(t) says that every batch at or before t is
 * done, in whatever order batches complete: so each stream forgets what is at or before t less its own remember duration. A
 * batch that failed and stays pending holds ClearMetadata, not the drain.
 * Limit: `openBatchesMax` batches are generated and not completed; beyond it ticks wait in their range, which is lag.
 */
import type { Cause } from "effect"
import type { Millis, Time } from "../time/Time.ts"
import type { InputInfo } from "./InputInfoTracker.ts"
import type { BatchFailurePolicy, Job } from "./Job.ts"
import type { BatchResult } from "./JobScheduler.ts"
import { rangeOf, type TickRange } from "./RecurringTimer.ts"

export interface JobGeneratorSettings {
  readonly batchMillis: Millis
  readonly missedTicks: "replay" | "coalesce" | "skip"
  readonly onBatchFailure: BatchFailurePolicy
  /** Batches that may be generated and not completed. */
  readonly openBatchesMax: number
  /** There are inputs that are asked what they have at each batch. */
  readonly hasDirectInputs: boolean
  /** Of the operators that slide by several batches, whole multiples of `batchMillis`. None. */
  readonly longSlides?: ReadonlyArray<Millis> | undefined
}

/** Under `replay` batches keep their own records through a long lag; the others exist to keep lag short. */
export const openBatchesMaxDefault = (
  missedTicks: JobGeneratorSettings["missedTicks"],
  concurrentJobs: number
): number => missedTicks === "replay" ? 1000 : concurrentJobs + 1

export type JobGeneratorEvent<E> =
  | {
    readonly kind: "Started"
    readonly zeroTime: Time
    /** After a recovery: the last batch that was known; ticks go on from it. Otherwise zero time. */
    readonly after?: Time | undefined
    /** After a recovery: batches at or before `after` that are generated again, by time. */
    readonly again?: ReadonlyArray<Time> | undefined
  }
  /** Every tick at or before `time` is due. */
  | { readonly kind: "TimerTicked"; readonly time: Time }
  /** The clock shows `now`, a batch duration or more before the last tick. */
  | { readonly kind: "ClockSetBack"; readonly now: Time }
  | {
    readonly kind: "BatchGenerated"
    readonly time: Time
    readonly jobs: ReadonlyArray<Job>
    readonly inputs: ReadonlyArray<InputInfo>
    /** Whether there is something received that is in no batch yet. */
    readonly unallocated: boolean
  }
  | { readonly kind: "GenerationFailed"; readonly time: Time; readonly cause: Cause.Cause<E> }
  | { readonly kind: "BatchCompleted"; readonly time: Time; readonly result: BatchResult }
  | {
    readonly kind: "CheckpointCompleted"
    readonly time: Time
    readonly clearCheckpointDataLater: boolean
    /** Durable; false: a newer one took its place, or it failed. */
    readonly written: boolean
  }
  | { readonly kind: "StopRequested"; readonly graceful: boolean }
  /** Receivers have stopped and all they stored is known. */
  | { readonly kind: "ReceiversStopped"; readonly unallocated: boolean }

export type JobGeneratorCommand<E> =
  | { readonly kind: "StartTimer"; readonly first: Time }
  | { readonly kind: "GenerateJobs"; readonly time: Time }
  | {
    readonly kind: "SubmitJobSet"
    readonly time: Time
    readonly jobs: ReadonlyArray<Job>
    readonly inputs: ReadonlyArray<InputInfo>
  }
  | { readonly kind: "ClearMetadata"; readonly time: Time }
  | { readonly kind: "DoCheckpoint"; readonly time: Time; readonly clearCheckpointDataLater: boolean }
  | { readonly kind: "ClearCheckpointData"; readonly time: Time }
  | { readonly kind: "ReportMissed"; readonly missed: TickRange }
  | { readonly kind: "ReportClockSetBack"; readonly now: Time; readonly lastTick: Time }
  | { readonly kind: "ReportFailed"; readonly time: Time; readonly cause: Cause.Cause<E> }
  | { readonly kind: "StopReceivers" }
  | { readonly kind: "StopTimer" }
  | { readonly kind: "Fail"; readonly cause: Cause.Cause<E> }
  | { readonly kind: "Stopped" }

export type JobGeneratorPhase = "Initialized" | "Running" | "Draining" | "Stopped"

export interface JobGeneratorState<E> {
  readonly phase: JobGeneratorPhase
  readonly zeroTime: Time
  /** Ticks at or before it are taken: they became a batch, or were passed over. */
  readonly cursor: Time
  /** Ticks at or before it are due. Those after `cursor` wait. */
  readonly due: Time
  /** Under `skip`: ticks at or before it came too late. */
  readonly late: Time
  /** The last tick that became a batch, or zero time. */
  readonly last: Time
  /** The clock was set back behind `due`, which it has not passed since, and no batch has run ahead of it. */
  readonly clockBehind: boolean
  readonly again: ReadonlyArray<Time>
  readonly generating: Time | undefined
  /** Batches that are not done, by time; `pending`: failed, but kept for a recovery. */
  readonly open: ReadonlyArray<{ readonly time: Time; readonly pending: boolean }>
  /** The last ClearMetadata. */
  readonly cleared: Time
  readonly checkpoints: number
  readonly drain: {
    /** The last tick that was due when the stop was asked for. */
    readonly from: Time
    readonly receiversStopped: boolean
    readonly unallocated: boolean
    readonly timerStopped: boolean
  }
  /** Why generating ended during a drain. */
  readonly failure: Cause.Cause<E> | undefined
}

type Step<E> = readonly [JobGeneratorState<E>, ReadonlyArray<JobGeneratorCommand<E>>]

export const initial = <E>(): JobGeneratorState<E> => ({
  phase: "Initialized",
  zeroTime: 0,
  cursor: 0,
  due: 0,
  late: 0,
  last: 0,
  clockBehind: false,
  again: [],
  generating: undefined,
  open: [],
  cleared: 0,
  checkpoints: 0,
  drain: { from: 0, receiversStopped: false, unallocated: true, timerStopped: false },
  failure: undefined
})

export const step =
  (settings: JobGeneratorSettings) => <E>(state: JobGeneratorState<E>, event: JobGeneratorEvent<E>): Step<E> => {
    if (state.phase === "Stopped") return [state, []]
    if (event.kind === "StopRequested") return stopRequested(state, event.graceful)
    if (event.kind === "Started") {
      if (state.phase !== "Initialized") throw new Error(`job generation is ${state.phase}: it is started once`)
      return next(settings, started(settings, state, event))
    }
    if (state.phase === "Initialized") throw new Error(`${event.kind} came before job generation was started`)
    switch (event.kind) {
      case "TimerTicked":
        return next(settings, ticked(settings, state, event.time))
      case "ClockSetBack":
        return next(settings, [
          { ...state, clockBehind: true },
          [{ kind: "ReportClockSetBack", now: event.now, lastTick: state.due }]
        ])
      case "BatchGenerated":
        return next(settings, generated(settings, state, event))
      case "GenerationFailed":
        return generationFailed(settings, state, event)
      case "BatchCompleted":
        return next(settings, completed(settings, state, event))
      case "CheckpointCompleted":
        return next(settings, [
          { ...state, checkpoints: state.checkpoints - 1 },
          event.clearCheckpointDataLater && event.written ? [{ kind: "ClearCheckpointData", time: event.time }] : []
        ])
      case "ReceiversStopped":
        return next(settings, [{
          ...state,
          drain: { ...state.drain, receiversStopped: true, unallocated: event.unallocated }
        }, []])
    }
  }

const started = <E>(
  { batchMillis }: JobGeneratorSettings,
  state: JobGeneratorState<E>,
  { zeroTime, after = zeroTime, again = [] }: JobGeneratorEvent<E> & { kind: "Started" }
): Step<E> => {
  if (again.some((time, index) => time <= (again[index - 1] ?? zeroTime) || time > after)) {
    throw new Error(
      `batches to generate again (${again.join(", ")}) have to grow from zero time ${zeroTime} up to ${after}`
    )
  }
  const cleared = (again[0] ?? after + batchMillis) - batchMillis
  return [
    { ...state, phase: "Running", zeroTime, cursor: after, due: after, late: after, last: after, again, cleared },
    [{ kind: "StartTimer", first: after + batchMillis }]
  ]
}

const ticked = <E>(settings: JobGeneratorSettings, state: JobGeneratorState<E>, time: Time): Step<E> => {
  const { batchMillis, missedTicks: policy } = settings
  if (time <= state.due || state.drain.timerStopped) return [state, []]
  const due = { ...state, due: time, clockBehind: false }
  if (policy === "replay") return [due, missed(state.due + batchMillis, time - batchMillis, batchMillis)]
  // Under `coalesce` what is passed over is reported when the last of the range is generated.
  if (policy === "coalesce") return [due, []]
  const isFirst = state.late <= state.cursor && slideAfter(settings, state) >= time
  const onTime = isFirst && mayGenerate(settings, state) && state.again.length === 0
  const late = onTime ? time - batchMillis : time
  // A stop that waits for a batch waits on when its tick is passed over.
  const drain = { ...state.drain, from: Math.max(state.drain.from, late) }
  return passedOver(settings, { ...due, late, drain })
}

/** When an operator slides next that has not had the last batch, or Infinity. That tick is not passed over. */
const slideAfter = (
  { longSlides = [] }: JobGeneratorSettings,
  { last, zeroTime }: JobGeneratorState<unknown>
): Time => {
  let next = Infinity
  for (const slide of longSlides) {
    const since = (last - zeroTime) % slide
    if (since > 0) next = Math.min(next, last - since + slide)
  }
  return next
}

/** Under `skip`: the late ticks that come before the next that is to become a batch are taken. */
const passedOver = <E>(settings: JobGeneratorSettings, state: JobGeneratorState<E>): Step<E> => {
  const { batchMillis } = settings
  const last = Math.min(state.late, slideAfter(settings, state) - batchMillis)
  if (last <= state.cursor) return [state, []]
  return [{ ...state, cursor: last }, missed(state.cursor + batchMillis, last, batchMillis)]
}

const missed = (first: Time, last: Time, batchMillis: Millis): ReadonlyArray<JobGeneratorCommand<never>> =>
  last < first ? [] : [{ kind: "ReportMissed", missed: rangeOf(first, last, batchMillis) }]

const checkpoint = <E>([state, commands]: Step<E>, time: Time, clearCheckpointDataLater: boolean): Step<E> => [
  { ...state, checkpoints: state.checkpoints + 1 },
  [...commands, { kind: "DoCheckpoint", time, clearCheckpointDataLater }]
]

const generated = <E>(
  settings: JobGeneratorSettings,
  state: JobGeneratorState<E>,
  { time, jobs, inputs, unallocated }: JobGeneratorEvent<E> & { kind: "BatchGenerated" }
): Step<E> => {
  assertGenerating(state, time)
  const open = [...state.open, { time, pending: false }]
  const after: JobGeneratorState<E> = { ...state, generating: undefined, open, drain: { ...state.drain, unallocated } }
  if (jobs.length > 0) return checkpoint([after, [{ kind: "SubmitJobSet", time, jobs, inputs }]], time, false)
  return completed(settings, after, { kind: "BatchCompleted", time, result: "processed" })
}

const assertGenerating = <E>(state: JobGeneratorState<E>, time: Time): void => {
  if (state.generating !== time) {
    throw new Error(`the batch of ${time} ms was generated, but ${state.generating ?? "none"} was asked for`)
  }
}

const generationFailed = <E>(
  settings: JobGeneratorSettings,
  state: JobGeneratorState<E>,
  { time, cause }: JobGeneratorEvent<E> & { kind: "GenerationFailed" }
): Step<E> => {
  assertGenerating(state, time)
  const report: JobGeneratorCommand<E> = { kind: "ReportFailed", time, cause }
  const draining = state.phase === "Draining"
  if (!draining && settings.onBatchFailure === "stop") {
    const failed: JobGeneratorState<E> = {
      ...state,
      phase: "Stopped",
      generating: undefined,
      open: [...state.open, { time, pending: true }]
    }
    return [failed, [report, { kind: "StopTimer" }, { kind: "Fail", cause }, { kind: "Stopped" }]]
  }
  const open = [...state.open, { time, pending: false }]
  const result = settings.onBatchFailure === "stop" ? "failed" : "skipped"
  const [after, commands] = completed(
    settings,
    { ...state, generating: undefined, open, failure: draining ? state.failure ?? cause : undefined },
    { kind: "BatchCompleted", time, result }
  )
  return next(settings, [after, [report, ...commands]])
}

/** *ended* in the table. */
const completed = <E>(
  { batchMillis }: JobGeneratorSettings,
  state: JobGeneratorState<E>,
  { time, result }: JobGeneratorEvent<E> & { kind: "BatchCompleted" }
): Step<E> => {
  const open = result === "failed"
    ? state.open.map((batch) => batch.time === time ? { time, pending: true } : batch)
    : state.open.filter((batch) => batch.time !== time)
  const oldest = open[0]?.time ?? state.generating ?? state.again[0]
  const done = oldest === undefined ? state.cursor : oldest - batchMillis
  if (done <= state.cleared) return [{ ...state, open }, []]
  return checkpoint([{ ...state, open, cleared: done }, [{ kind: "ClearMetadata", time: done }]], done, true)
}

const stopRequested = <E>(state: JobGeneratorState<E>, graceful: boolean): Step<E> => {
  if (state.phase === "Initialized") return [{ ...state, phase: "Stopped" }, [{ kind: "Stopped" }]]
  if (!graceful) return [{ ...state, phase: "Stopped" }, [{ kind: "StopTimer" }, { kind: "Stopped" }]]
  if (state.phase === "Draining") return [state, []]
  return [{ ...state, phase: "Draining", drain: { ...state.drain, from: state.due } }, [{ kind: "StopReceivers" }]]
}

const isOpen = (batch: { readonly pending: boolean }): boolean => !batch.pending

const mayGenerate = <E>(settings: JobGeneratorSettings, state: JobGeneratorState<E>): boolean =>
  state.generating === undefined && !state.drain.timerStopped &&
  state.open.filter(isOpen).length < settings.openBatchesMax

/** *next* in the table. */
const next = <E>(settings: JobGeneratorSettings, given: Step<E>): Step<E> => {
  const [state, commands] = given[0].phase === "Draining" ? drained(settings, given) : given
  if (state.phase === "Stopped" || !mayGenerate(settings, state)) return [state, commands]
  const { batchMillis } = settings
  const [again, ...rest] = state.again
  if (again !== undefined) {
    return [{ ...state, again: rest, generating: again }, [...commands, { kind: "GenerateJobs", time: again }]]
  }
  const first = state.cursor + batchMillis
  if (state.due === state.cursor) {
    if (!mayRunAhead(settings, state)) return [state, commands]
    return next(settings, [{ ...state, due: first, clockBehind: false }, commands])
  }
  const time = settings.missedTicks === "coalesce" ? Math.min(state.due, slideAfter(settings, state)) : first
  const before = missed(first, time - batchMillis, batchMillis)
  const taken = { ...state, cursor: time, last: time, generating: time }
  const [after, behind] = settings.missedTicks === "skip" ? passedOver<E>(settings, taken) : [taken, []]
  return [after, [...commands, ...before, { kind: "GenerateJobs", time }, ...behind]]
}

/** What is left to take does not wait for a clock that was set back, perhaps by hours. */
const mayRunAhead = (settings: JobGeneratorSettings, state: JobGeneratorState<unknown>): boolean =>
  state.clockBehind && state.drain.receiversStopped && isMoreToTake(settings, state)

/** Whether something is there that a batch after the stop was asked for has to take. */
const isMoreToTake = (
  { hasDirectInputs }: JobGeneratorSettings,
  { cursor, drain: { from, unallocated } }: JobGeneratorState<unknown>
): boolean => unallocated || (hasDirectInputs ? cursor <= from : cursor < from)

/** Whether generating is over, and then whether all of it is. */
const drained = <E>(settings: JobGeneratorSettings, [state, commands]: Step<E>): Step<E> => {
  const { receiversStopped, timerStopped } = state.drain
  const nothingLeft = state.failure !== undefined ||
    (receiversStopped && state.again.length === 0 && !isMoreToTake(settings, state))
  if (!timerStopped && (!nothingLeft || state.generating !== undefined)) return [state, commands]
  const over: JobGeneratorState<E> = { ...state, drain: { ...state.drain, timerStopped: true } }
  const timer: ReadonlyArray<JobGeneratorCommand<E>> = timerStopped ? [] : [{ kind: "StopTimer" }]
  // A failure of generating ends the batches early, but the receivers still stop in their own time.
  if (!receiversStopped || over.open.some(isOpen) || over.checkpoints > 0) return [over, [...commands, ...timer]]
  const failed: ReadonlyArray<JobGeneratorCommand<E>> = state.failure === undefined
    ? []
    : [{ kind: "Fail", cause: state.failure }]
  return [{ ...over, phase: "Stopped" }, [...commands, ...timer, ...failed, { kind: "Stopped" }]]
}
