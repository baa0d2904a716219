/**
 * SimulationReport: what `simulate` found.
 */
import type { FaultKind } from "../simulation/faults/FaultPlan.ts"
import { eventLine, type SimulationEvent } from "../simulation/kernel/EventLog.ts"
import type { Replay } from "./SimulateOptions.ts"

/** How often each kind of fault struck that did; `left` tells what crashes left of writes that were under way. */
export type Struck = Readonly<Partial<Record<FaultKind, number>>>

/** What held, held under every seed. */
export interface SimulationPassed {
  readonly _tag: "Passed"
  readonly seeds: number
  readonly batches: number
  /** Of all seeds. */
  readonly struck: Struck
  /** All of this, for people. */
  readonly message: string
}

/** The first seed that failed, made small. */
export interface SimulationFailed {
  readonly _tag: "Failed"
  /** What did not hold. */
  readonly failures: ReadonlyArray<string>
  /** Options that repeat this run: `simulate({ ...options, ...replay })`. */
  readonly replay: Replay
  /** Seeds that passed before. */
  readonly passed: number
  readonly struck: Struck
  /** Processes, faults, calls of what is outside, and batches, in order; times are milliseconds from the start. */
  readonly events: ReadonlyArray<SimulationEvent>
  /** All of this, for people. */
  readonly message: string
}

export type SimulationReport = SimulationPassed | SimulationFailed

/** Events that a report tells. */
const toldEvents = [
  "NodeStarted",
  "NodeKilled",
  "NodePaused",
  "NodeResumed",
  "ClockStepped",
  "Fault",
  "CallBegun",
  "CallDone",
  "BatchCompleted"
]

export const isTold = ({ kind }: SimulationEvent): boolean => toldEvents.includes(kind)

/** The last of them that a message shows. */
const shownEventsMax = 30

export const struckOf = (counts: Readonly<Record<FaultKind, number>>): Struck =>
  Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))

export const passedReport = (report: Omit<SimulationPassed, "_tag" | "message">): SimulationPassed => ({
  _tag: "Passed",
  ...report,
  message: `${report.seeds} seeds of ${report.batches} batches passed; faults that struck: ${struckText(report.struck)}`
})

export const failedReport = (report: Omit<SimulationFailed, "_tag" | "message">): SimulationFailed => {
  const { events, failures, passed, replay, struck } = report
  const { batches, only, seed } = replay
  const shown = events.slice(-shownEventsMax)
  return {
    _tag: "Failed",
    ...report,
    message: [
      `Seed ${seed} failed, after ${passed} that passed:`,
      ...failures.map((failure) => `  ${failure.replaceAll("\n", "\n  ")}`),
      `Faults that struck: ${struckText(struck)}`,
      shown.length < events.length ? `The last ${shown.length} of ${events.length} events:` : "Events:",
      ...shown.map(eventLine),
      `To repeat it: simulate({ ...options, seed: ${seed}, batches: ${batches}, only: ${JSON.stringify(only)} })`
    ].join("\n")
  }
}

const struckText = (struck: Struck): string =>
  Object.entries(struck).map(([kind, count]) => `${kind} ${count}`).join(", ") || "none"
