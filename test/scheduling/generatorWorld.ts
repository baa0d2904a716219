/**
 * What surrounds the machine of job generation in its tests: all that it has asked for and not heard of yet, as plain data,
 * and the steps that the outside may take.
 */
import { Cause } from "effect"
import * as Job from "../../core/scheduling/Job.ts"
import * as JobGenerator from "../../core/scheduling/JobGenerator.ts"
import type { BatchResult } from "../../core/scheduling/JobScheduler.ts"

export type Config = JobGenerator.JobGeneratorSettings
export type Command = JobGenerator.JobGeneratorCommand<string>
export type State = JobGenerator.JobGeneratorState<string>

export const batchMillis = 10
export const settings = (
  missedTicks: "replay" | "coalesce" | "skip" = "replay",
  onBatchFailure: "stop" | "skip" = "stop",
  openBatchesMax = 3,
  hasDirectInputs = false
): JobGenerator.JobGeneratorSettings => ({ batchMillis, missedTicks, onBatchFailure, openBatchesMax, hasDirectInputs })

/** What the machine has asked for and not yet heard of: plain data, so that worlds can be compared. */
export interface World {
  readonly state: State
  readonly generating: ReadonlyArray<number>
  readonly submitted: ReadonlyArray<number>
  readonly checkpoints: ReadonlyArray<readonly [time: number, later: boolean]>
  readonly stoppingReceivers: boolean
  readonly ticking: boolean
  readonly now: number
}

export const world: World = {
  state: JobGenerator.initial(),
  generating: [],
  submitted: [],
  checkpoints: [],
  stoppingReceivers: false,
  ticking: false,
  now: 0
}

export type Step = readonly [World, ReadonlyArray<Command>]

export const send = (
  config: JobGenerator.JobGeneratorSettings,
  from: World,
  event: JobGenerator.JobGeneratorEvent<string>
): Step => {
  const [state, commands] = JobGenerator.step(config)(from.state, event)
  const performed = commands.reduce((world, command): World => {
    switch (command.kind) {
      case "GenerateJobs":
        return { ...world, generating: [...world.generating, command.time] }
      case "SubmitJobSet":
        return { ...world, submitted: [...world.submitted, command.time] }
      case "DoCheckpoint":
        return { ...world, checkpoints: [...world.checkpoints, [command.time, command.clearCheckpointDataLater]] }
      case "StopReceivers":
        return { ...world, stoppingReceivers: true }
      case "StartTimer":
        return { ...world, ticking: true }
      case "StopTimer":
        return { ...world, ticking: false }
      default:
        return world
    }
  }, { ...from, state })
  return [performed, commands]
}

export const tick = (config: Config, from: World, ticks = 1): Step => {
  const now = from.now + ticks * batchMillis
  return from.ticking ? send(config, { ...from, now }, { kind: "TimerTicked", time: now }) : [{ ...from, now }, []]
}

/** The clock falls two batches behind the last tick, and may run again from there. */
export const setBack = (config: Config, from: World): Step =>
  send(config, from, { kind: "ClockSetBack", now: from.state.due - 2 * batchMillis })

/** The batch that is being generated gets jobs, none, or fails. */
export const generate = (config: Config, from: World, jobs: number | "failed", unallocated: boolean): Step => {
  const [time, ...rest] = from.generating
  const to = { ...from, generating: rest }
  if (jobs === "failed") return send(config, to, { kind: "GenerationFailed", time: time!, cause: Cause.fail("boom") })
  const outputs = Array.from({ length: jobs }, (_, index) => Job.make(time!, `out-${index}`))
  return send(config, to, { kind: "BatchGenerated", time: time!, jobs: outputs, inputs: [], unallocated })
}

export const complete = (config: Config, from: World, index: number, result: BatchResult): Step => {
  const time = from.submitted[index]!
  const submitted = from.submitted.filter((other) => other !== time)
  return send(config, { ...from, submitted }, { kind: "BatchCompleted", time, result })
}

export const checkpointed = (config: Config, from: World, index: number): Step => {
  const [time, clearCheckpointDataLater] = from.checkpoints[index]!
  const checkpoints = from.checkpoints.filter((_, other) => other !== index)
  return send(config, { ...from, checkpoints }, {
    kind: "CheckpointCompleted",
    time,
    clearCheckpointDataLater,
    written: true
  })
}

export const receiversStopped = (config: Config, from: World, unallocated: boolean): Step =>
  send(config, { ...from, stoppingReceivers: false }, { kind: "ReceiversStopped", unallocated })

export const started = (config: Config): World => send(config, world, { kind: "Started", zeroTime: 0 })[0]
