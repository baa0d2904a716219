/**
 * RecoveryReport: what a driver went on from, and what it could not: told to listeners, and printed.
 */
import type { LostBlocks } from "../blocks/unreadableBlocks.ts"
import type { Time } from "../time/Time.ts"
import type { CompleteSnapshot } from "../state/SnapshotTracker.ts"
import type { OperatorOutcome } from "./compatibility.ts"

export interface RecoveryReport {
  readonly place: string
  /** The number of this driver, and of the one whose checkpoint it went on from. */
  readonly epoch: number
  readonly from: { readonly epoch: number; readonly checkpoint: string; readonly time: Time; readonly written: Time }
  /** Events of the logs that came after the checkpoint. */
  readonly events: number
  readonly lastBatch: Time | undefined
  /** Batches that are run again, with the very inputs that were recorded for them. */
  readonly pending: ReadonlyArray<Time>
  /** Outputs of those that were done before, and are not run again. */
  readonly outputsDone: number
  /** Received blocks that wait for a batch. */
  readonly waitingBlocks: number
  /** What cannot be read any more, by stream: it was in no log. */
  readonly lost: ReadonlyArray<LostBlocks>
  /** Damaged checkpoints and torn ends of logs. */
  readonly passedOver: ReadonlyArray<{ readonly file: string; readonly reason: string }>
  readonly operators: ReadonlyArray<OperatorOutcome>
  /** Of states: the complete snapshots that they can go on from. */
  readonly snapshots: ReadonlyArray<CompleteSnapshot>
  readonly programChanged: boolean
}

export const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? "" : what.endsWith("h") ? "es" : "s"}`

/** For people, a few lines. */
export const format = (report: RecoveryReport): string => {
  const { epoch, events, from, lastBatch, lost, operators, outputsDone, passedOver, pending, place, waitingBlocks } =
    report
  const lines = [
    `Recovered from ${place}: driver ${epoch} goes on from ${from.checkpoint} (batch ${from.time} ms) and ` +
    `${counted(events, "event")} after it; the last batch was ${lastBatch ?? "none"}${
      lastBatch === undefined ? "" : " ms"
    }.`,
    `${counted(pending.length, "batch")} run again${
      outputsDone === 0
        ? ""
        : `, without ${counted(outputsDone, "output")} that ${outputsDone === 1 ? "was" : "were"} done`
    }; ${counted(waitingBlocks, "received block")} waiting.`
  ]
  if (report.programChanged) {
    lines.push(`The program has changed${operators.length === 0 ? "." : ":"}`)
  }
  for (const { operator, outcome, reason } of operators) {
    if (outcome === "restored" && !report.programChanged) continue
    lines.push(`  ${outcome} ${operator}${reason === undefined ? "" : `: ${reason}`}`)
  }
  for (const { file, reason } of passedOver) lines.push(`  passed over ${file}: ${reason}`)
  for (const { askedAgain, blocks, records, stream, uncounted } of lost) {
    lines.push(
      `  LOST of ${stream}: ${counted(blocks, "block")} with ${records} records` +
        `${
          uncounted === 0 ? "" : ` and ${counted(uncounted, "block")} of records that nobody counted`
        }, which were in no log${
          askedAgain === 0 ? "" : `; the source is asked again for what was in ${counted(askedAgain, "block")} of them`
        }`
    )
  }
  return lines.join("\n")
}
