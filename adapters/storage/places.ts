/**
 * places: the storage that a place names, as the setting `checkpointDirectory` gives it.
 *
 * | place | storage |
 * | --- | --- |
 * | `/var/lib/app`, `state/app`, `file:///var/lib/app` | a directory: `stableDirectory.ts` |
 * | `s3://bucket/prefix` | an object store: `objectStorage.ts` |
 * | anything else | an error that says what is known |
 */
import { fileURLToPath } from "node:url"
import { Effect, type Scope } from "effect"
import { type OpenStorage, type StableStorage, StorageError } from "../../runtime/storage/StableStorage.ts"
import { objectStorage } from "./objectStorage.ts"
import { stableDirectory } from "./stableDirectory.ts"

const known = "a directory is a path or a URL as file:///var/lib/app, an object store is s3://BUCKET/PREFIX"

const wrong = (sentence: string) =>
  Effect.fail(new StorageError({ reason: "Invalid", name: "", message: `${sentence}: ${known}` }))

export const openStorage: OpenStorage = (
  place: string
): Effect.Effect<StableStorage, StorageError, Scope.Scope> => {
  // a drive's letter is no scheme
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]+):/.exec(place)?.[1]?.toLowerCase()
  if (scheme === "s3") return objectStorage(place)
  if (scheme === "file") return fileDirectory(place)
  if (scheme !== undefined && place.startsWith("//", scheme.length + 1)) {
    return wrong(`checkpoints cannot be kept in "${scheme}://...": nothing here speaks ${scheme}`)
  }
  if (place.trim() === "" || place.includes("\0")) return wrong("the place of checkpoints is no path")
  if (/^~(\/|$)/.test(place)) {
    return wrong(`"~" is the home directory to a shell only, in "${place}": write path.join(os.homedir(), ...)`)
  }
  return stableDirectory(place)
}

const fileDirectory = (place: string) => {
  const directory = pathOf(place)
  return directory === undefined
    ? wrong(`"${place.slice(0, 100)}" is no URL of a directory of this machine`)
    : stableDirectory(directory)
}

const pathOf = (place: string): string | undefined => {
  if (!/^file:\//i.test(place)) return undefined
  try {
    return fileURLToPath(place)
  } catch {
    return undefined
  }
}
