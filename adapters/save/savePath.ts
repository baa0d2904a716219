/**
 * savePath: where something is to be saved, as users write it: a path, or a URL of a file; all else is told with what to write.
 */
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { describeValue } from "../../core/protocol/describeValue.ts"
import { permanent } from "../../core/protocol/permanent.ts"
import { SaveError } from "./SaveError.ts"

/** The path of `named`, which was made of the texts that a user gave; `must` says what they have to be. */
export const pathOf = (
  named: string,
  given: ReadonlyArray<unknown>,
  must: string
): Effect.Effect<string, SaveError> => {
  const wrong = (message: string) =>
    Effect.fail(
      Object.assign(
        new SaveError({ path: String(given[0]), message: `cannot save: ${message}; give the path of a directory` }),
        { [permanent]: true }
      )
    )
  for (const text of given) {
    if (typeof text !== "string" && text !== null && text !== undefined) {
      return wrong(`${must} is ${describeValue(text)}`)
    }
  }
  if (/^~($|[/\\])/.test(String(given[0]))) {
    return wrong(
      `"~" is the home directory to a shell only: write path.join(os.homedir(), ...) instead of "${given[0]}"`
    )
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(named)?.[1]?.toLowerCase()
  if (scheme === undefined) return Effect.succeed(path.resolve(named))
  if (scheme !== "file") return wrong(`there is no file system for "${named}"`)
  return Effect.try({
    try: () => fileURLToPath(named),
    catch: (cause) =>
      new SaveError({ path: named, message: `cannot save: "${named}" names no file here; give a path`, cause })
  })
}
