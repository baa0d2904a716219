/**
 * How the kill test ends a worker thread in the middle of a task: there is a file that says so; whoever removes it dies.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { isMainThread } from "node:worker_threads"

export const orderOf = (out: string): string => path.join(out, "die")

/** Looked at once in so many lines. */
const every = 50

export const dieIfTold = (out: string, line: string): string => {
  if (isMainThread || Number(line.slice(1)) % every !== 0) return line
  try {
    fs.unlinkSync(orderOf(out))
  } catch {
    return line
  }
  process.exit(1)
}
