/**
 * SmallStages: which stages are so small that a second executor would cost more time than it saves.
 *
 * To wake a thread takes longer than a few records do. Of a stage that computes nothing but records which came with the plan, or stand in
 * the program, the driver knows how many they are; what one takes it learns from the last such stage of the operator. A time of nothing is
 * of a clock that stands still while tasks run, and teaches nothing.
 */
import type { Millis } from "../../time/Time.ts"
import type { StageRun, State, Task } from "./TaskSchedulerState.ts"

/** What a stage may be expected to take on one executor, if it shall stay there. */
const smallMillis: Millis = 0.5

/** How many records a stage was given; undefined, if it reads anything else. */
const givenTo = ({ spec: { tasks } }: StageRun): number | undefined => {
  let records = 0
  for (const { given } of tasks) {
    if (given === undefined) return undefined
    records += given
  }
  return records
}

/** Learns from a stage that is done. */
export const learn = (state: State, stage: StageRun): void => {
  const given = givenTo(stage)
  if (given !== undefined && given > 0 && stage.millis > 0) {
    state.millisPerRecord.set(nameOf(stage), stage.millis / given)
  }
}

/** Whether these, of a stage's tasks the ones that are ready, best run at one executor, one after the other. */
export const areSmall = (state: State, stage: StageRun, ready: ReadonlyArray<Task>): boolean => {
  if (ready.length < 2 || ready.some(({ attempts }) => attempts > 0)) return false
  const each = state.millisPerRecord.get(nameOf(stage))
  return each !== undefined && each * (givenTo(stage) ?? Infinity) < smallMillis
}

/** Stages of one name do the same work, batch after batch. */
const nameOf = ({ spec: { operator }, work }: StageRun): string => {
  if (work.kind !== "result") return `${work.kind} ${operator}`
  const { action } = work
  return `${action.kind}${action.kind === "foreachPartition" ? ` ${action.output}` : ""} ${operator}`
}
