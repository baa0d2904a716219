/**
 * A folder of its own for a test, and what is in it.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Effect, type Scope } from "effect"

const folderIn = (parent: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(path.join(parent, "dstreams-save-"))),
    (name) => Effect.sync(() => fs.rmSync(name, { recursive: true, force: true }))
  )

export const folder = folderIn(os.tmpdir())

/** Where the system has one in memory, there: for tests that sync thousands of files. */
export const quickFolder = folderIn(fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir())

/** The files beneath, by their names from there; `_SUCCESS` without what it says. */
export const filesOf = (name: string): Record<string, string> =>
  Object.fromEntries(
    fs.readdirSync(name, { recursive: true, encoding: "utf8" }).sort().flatMap((file) => {
      const whole = path.join(name, file)
      if (!fs.statSync(whole).isFile()) return []
      return [[file.replaceAll(path.sep, "/"), file.endsWith("_SUCCESS") ? "" : fs.readFileSync(whole, "utf8")]]
    })
  )
