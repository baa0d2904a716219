/**
 * precedence: for every field of a checkpoint, whether the checkpoint or the new start wins where they differ. `docs/durability.md` has
 * the same table; a test compares both with the fields that a checkpoint has.
 */
import type { Checkpoint } from "./Checkpoint.ts"

export type Field = `run.${keyof Checkpoint["run"]}` | Exclude<keyof Checkpoint, "run">

export interface Precedence {
  readonly wins: "checkpoint" | "new start" | "have to agree"
  readonly meaning: string
}

export const precedence: { readonly [F in Field]-?: Precedence } = {
  format: { wins: "have to agree", meaning: "the version of the form; later versions of dstreams read earlier ones" },
  "run.app": { wins: "have to agree", meaning: "the app's name: a place belongs to one app" },
  "run.epoch": { wins: "new start", meaning: "the number of the driver: each has its own" },
  "run.zeroTime": { wins: "checkpoint", meaning: "when the app first started: batches are whole slides after it" },
  "run.program": { wins: "new start", meaning: "the URL of the program's module" },
  "run.codeFingerprint": { wins: "new start", meaning: "a digest of its code; a change is told in the report" },
  "run.master": { wins: "new start", meaning: "where executors run: `local`, `local[n]`" },
  "run.executors": { wins: "new start", meaning: "how many executors there were at the start, of whatever placement" },
  "run.place": { wins: "new start", meaning: "the checkpoint place: it may have been moved" },
  "run.manifest": {
    wins: "new start",
    meaning: "the operators and outputs; the batch duration has to agree, and states have to fit (see below)"
  },
  "run.history": { wins: "checkpoint", meaning: "which operators came later than the app" },
  "run.remember": { wins: "new start", meaning: "how long each stream remembers its batches" },
  "run.settings": {
    wins: "new start",
    meaning: "every setting; but `defaultParallelism` is the checkpoint's: batches and states have so many partitions"
  },
  sequence: { wins: "new start", meaning: "the number of the checkpoint among those of its driver" },
  time: { wins: "checkpoint", meaning: "the batch that it was written for" },
  written: { wins: "checkpoint", meaning: "when, by the driver's clock" },
  log: { wins: "checkpoint", meaning: "the position from which the driver's log is read on" },
  tracker: { wins: "checkpoint", meaning: "received blocks that wait, and those of each batch" },
  asked: { wins: "checkpoint", meaning: "what else each batch is made of: offset ranges, files, side values" },
  ended: { wins: "checkpoint", meaning: "outputs of pending batches that are done" },
  done: { wins: "checkpoint", meaning: "up to which time all batches are done" },
  positions: { wins: "checkpoint", meaning: "where inputs stand that are read by position, such as topics" },
  snapshots: { wins: "checkpoint", meaning: "the files of the states' snapshots" }
}
