/**
 * Events of drivers' logs as they come, for properties, and what a first driver's checkpoints say of its run.
 */
import fc from "fast-check"
import type { RunInfo } from "../../core/checkpoint/Checkpoint.ts"
import type { DriverLogEvent } from "../../core/checkpoint/DriverLogEvent.ts"

export const run: RunInfo = {
  app: "app",
  epoch: 1,
  zeroTime: 0,
  program: "",
  codeFingerprint: "",
  master: "",
  executors: 1,
  place: "memory",
  manifest: { app: "app", batchMillis: 1000, operators: [], outputs: [] },
  remember: [],
  settings: {}
}

const infoOf = (sequence: number) => ({
  block: `lines/1/0/${sequence}`,
  stream: "lines",
  attempt: 0,
  sequence,
  records: 2,
  bytes: 10,
  locations: ["executor-1"]
})

/** Histories that a driver may have: blocks come, are allocated, batches end and are forgotten, snapshots come and go. */
export const histories: fc.Arbitrary<ReadonlyArray<DriverLogEvent>> = fc.array(fc.nat(6), { maxLength: 40 }).map(
  (choices) => {
    const events: Array<DriverLogEvent> = []
    let sequence = 0
    let waiting: Array<ReturnType<typeof infoOf>> = []
    let time = 0
    let done = 0
    let cleaned = 0
    for (const choice of choices) {
      if (choice === 0 || choice === 1) {
        const info = infoOf(sequence++)
        waiting.push(info)
        events.push({ kind: "BlockAddition", info })
      } else if (choice === 2) {
        time += 1000
        const inputs = [{
          stream: "files",
          records: 1,
          partitions: [{ kind: "source" as const, value: { at: time }, records: 1 }],
          positions: [[`place ${time / 1000 % 3}`, time] as const]
        }]
        events.push({
          kind: "BatchAllocation",
          time,
          blocks: [["lines", waiting]],
          asked: { zeroTime: 0, inputs, sideValues: [["a#b", time]] }
        })
        waiting = []
      } else if (choice === 3 && done < time) {
        events.push({ kind: "OutputEnded", time: done + 1000, output: "print-0", result: "done" })
      } else if (choice === 4 && done < time) {
        done += 1000
        events.push({ kind: "BatchesDone", upTo: done })
      } else if (choice === 5 && cleaned < done) {
        cleaned += 1000
        events.push({ kind: "BatchCleanup", times: [cleaned] }, { kind: "PlansDropped", before: cleaned - 2000 })
      } else if (choice === 6 && done > 0) {
        const snapshot = { operator: "counts", time: done, previous: done - 1000, files: [[`state/${done}`]] }
        events.push({ kind: "SnapshotCompleted", snapshot }, {
          kind: "SnapshotsDropped",
          operator: "counts",
          before: done
        })
      }
    }
    return events
  }
)
