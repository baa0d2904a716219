/**
 * Disk: where the program of the day has its checkpoints: a directory of the real disk, or memory, which answers at once.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Effect, type Layer, type Scope } from "effect"
import { stablePlaces } from "../../adapters/storage/stablePlaces.ts"
import { memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import * as lives from "../checkpoint/lives.ts"

export interface Disk {
  readonly place: string
  readonly layer: Layer.Layer<never>
  readonly held: Effect.Effect<{ readonly files: number; readonly bytes: number }>
}

const sum = (sizes: ReadonlyArray<number>): number => sizes.reduce((all, size) => all + size, 0)

/** It is removed with the scope. */
export const directory: Effect.Effect<Disk, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "day-"))),
    (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
  ),
  (place) => ({
    place,
    layer: stablePlaces,
    held: Effect.sync(() => {
      const files = fs.readdirSync(place, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
      const sizes = files.map(({ name, parentPath }) =>
        fs.statSync(path.join(parentPath, name), { throwIfNoEntry: false })?.size ?? 0
      )
      return { files: files.length, bytes: sum(sizes) }
    })
  })
)

export const memory = (): Disk => {
  const storage = memoryStorage()
  return {
    place: lives.place,
    layer: lives.placesOf(storage),
    held: Effect.map(Effect.orDie(storage.list("")), (names) => ({
      files: names.length,
      bytes: sum(names.map((name) => storage.sizes(name)?.all ?? 0))
    }))
  }
}
