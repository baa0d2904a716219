/**
 * Invariants of the checkpoint place: what is written there, what is removed, which checkpoint is gone on from.
 */
import { always, type Invariant } from "./Invariant.ts"
import type { Of } from "./Observation.ts"

type Written = Of<"CheckpointWritten">

type Numbered = Pick<Written, "epoch" | "sequence">

const further = (a: Numbered, b: Numbered): number => a.epoch - b.epoch || a.sequence - b.sequence

/** Of these a driver may still go on from each, if the ones after it turn out to be damaged. */
const validMax = 2

export const referredStays: Invariant = {
  name: "nothing that one of the last two checkpoints refers to is removed",
  across: always,
  start: () => {
    let valid: ReadonlyArray<Written> = []
    return (event) => {
      if (event.kind === "CheckpointWritten") valid = [...valid, event].sort(further).slice(-validMax)
      if (event.kind !== "FileRemoved") return undefined
      const needs = ({ file, files, log }: Written) =>
        file === event.file || files.includes(event.file) ||
        (isOfLog(event.file, log) && event.file >= log)
      const user = valid.find(needs)
      return user && `${event.file} was removed, and ${user.file} refers to it`
    }
  }
}

/** Segments of one log differ in their last part alone. */
const isOfLog = (file: string, log: string): boolean =>
  file.slice(0, file.lastIndexOf("/")) === log.slice(0, log.lastIndexOf("/"))

export const furthestChosen: Invariant = {
  name: "a driver goes on from the furthest checkpoint that was there when it started",
  across: ({ damaged }) => damaged !== true,
  start: () => {
    const written: Array<Written> = []
    let there: Written | undefined
    let lifeOfLast = 0
    return (event, life) => {
      if (life !== lifeOfLast) there = written.toSorted(further).at(-1)
      lifeOfLast = life
      if (event.kind === "CheckpointWritten") written.push(event)
      if (event.kind !== "RecoveredFrom" || there === undefined) return undefined
      return further(event, there) >= 0
        ? undefined
        : `driver ${life} goes on from ${event.file}, and ${there.file} was there`
    }
  }
}

export const checkpointsGrow: Invariant = {
  name: "no two checkpoints of a driver have one number, and each is further than the one before",
  start: () => {
    let last: Written | undefined
    return (event) => {
      if (event.kind !== "CheckpointWritten") return undefined
      const before = last
      last = event
      return before === undefined || further(event, before) > 0 ? undefined : `${event.file} came after ${before.file}`
    }
  }
}
