/**
 * FileServer: a directory outside the system into which somebody moves files now and then, and how nodes see it.
 *
 * A file has its time of modification when it is moved there, by the world's clock, and never changes. Faults: a directory does not
 * show a file for a while, a file cannot be read just now.
 */
import { Effect } from "effect"
import { FileError } from "../../../adapters/file/FileError.ts"
import type { FileOperations } from "../../../adapters/file/FileWorld.ts"
import { memoryFiles } from "../../../adapters/file/memoryFiles.ts"
import type { Faults } from "../../../adapters/simulation/faults/Faults.ts"
import type { Chance } from "../../../adapters/simulation/kernel/Chance.ts"
import type { World } from "../../../adapters/simulation/kernel/World.ts"
import type { Time } from "../../../core/time/Time.ts"

export const filesDirectory = "/files"

/** The first file comes when a planner is sure to be there: what is older than that is not asked for. */
const firstMillis = 2000

/** How long a directory may hide a file; shorter than a file stream remembers. */
const hiddenMillisMax = 5000

const unreadableGapMillis = 1000

const words = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"]

export class FileServer {
  /** The lines of each file. */
  readonly files = new Map<string, ReadonlyArray<string>>()
  readonly writtenAt = new Map<string, Time>()
  private readonly world: World
  private readonly faults: Faults
  private readonly chance: Chance
  private readonly disk = memoryFiles()
  private readonly hiddenUntil = new Map<string, number>()
  private lastUnreadable = -Infinity
  private closed = false

  constructor(world: World, faults: Faults) {
    this.world = world
    this.faults = faults
    this.chance = world.chance.split("files")
    this.disk.makeDirectory(filesDirectory)
    world.after(firstMillis, undefined, () => this.bring())
  }

  /** No more files come, and all are to be seen. */
  close(): void {
    this.closed = true
    this.hiddenUntil.clear()
  }

  private bring(): void {
    if (this.closed) return
    const number = this.files.size + 1
    const path = `${filesDirectory}/f${number}`
    const lines = Array.from(
      { length: this.chance.below(6) + 1 },
      (_, i) =>
        [`f${number}#${i}`, ...Array.from({ length: this.chance.below(4) }, () => this.chance.pick(words))].join(" ")
    )
    this.files.set(path, lines)
    this.writtenAt.set(path, Math.floor(this.world.now))
    this.disk.write(path, lines.map((line) => `${line}\n`).join(""), this.writtenAt.get(path)!)
    if (this.faults.strikes("fileListedLate")) {
      this.hiddenUntil.set(path, this.world.now + this.chance.between(1, hiddenMillisMax))
    }
    this.world.after(this.chance.between(1, 900), undefined, () => this.bring())
  }

  /** The directory as a node sees it. */
  readonly operations: FileOperations = {
    list: (directory) =>
      this.slowly(Effect.map(this.disk.list(directory), ({ paths, problems }) => ({
        paths: paths.filter((path) => (this.hiddenUntil.get(path) ?? 0) <= this.world.now),
        problems
      }))),
    status: (path) => this.slowly(this.disk.status(path)),
    read: (path, position, into) =>
      this.slowly(Effect.suspend(() => {
        const due = this.world.now - this.lastUnreadable >= unreadableGapMillis
        if (!due || !this.faults.strikes("fileUnreadable")) return this.disk.read(path, position, into)
        this.lastUnreadable = this.world.now
        return Effect.fail(
          new FileError({ reason: "Unreadable", path, message: `${path} cannot be read just now (a simulated fault)` })
        )
      }))
  }

  private slowly<A, E>(access: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => Effect.andThen(Effect.sleep(this.chance.below(4)), access))
  }
}
