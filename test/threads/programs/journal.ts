/**
 * The journal of a run: a folder, named by JOURNAL in Config, to which every thread of the program adds lines, and in which it
 * marks what shall happen only once however often threads are replaced.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { isMainThread } from "node:worker_threads"
import { Config } from "effect"

export const JOURNAL = Config.String("JOURNAL")

const file = (journal: string) => path.join(journal, "lines")

/** A line with who wrote it: the driver or a thread. */
export const note = (journal: string, line: string): void =>
  fs.appendFileSync(file(journal), `${isMainThread ? "driver" : "thread"} ${line}\n`)

export const lines = (journal: string): ReadonlyArray<string> =>
  fs.existsSync(file(journal)) ? fs.readFileSync(file(journal), "utf8").trimEnd().split("\n").toSorted() : []

/** True for the first who asks, in whatever thread. */
export const firstTime = (journal: string, what: string): boolean => {
  try {
    fs.closeSync(fs.openSync(path.join(journal, what), "wx"))
    return true
  } catch {
    return false
  }
}
