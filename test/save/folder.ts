/**
 * A folder of its own for a test, and what is in it.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Effect, type Scope } from "effect"

export const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "dstreams-save-"))),
  (name) => Effect.sync(() => fs.rmSync(name, { recursive: true, force: true }))
)

/** The files beneath, by their names from there; `_SUCCESS` without what it says. */
export const filesOf = (name: string): Record<string, string> =>
  Object.fromEntries(
    fs.readdirSync(name, { recursive: true, encoding: "utf8" }).sort().flatMap((file) => {
      const whole = path.join(name, file)
      if (!fs.statSync(whole).isFile()) return []
      return [[file.replaceAll(path.sep, "/"), file.endsWith("_SUCCESS") ? "" : fs.readFileSync(whole, "utf8")]]
    })
  )
