/**
 * memoryStorage: StableStorage in memory, for tests, for simulation, and for runs whose place is gone with them.
 *
 * It keeps all that the port promises, and tells what was asked of it: `journal` has the latest calls, oldest first. What is durable
 * and what is only appended are told apart: `crash` makes of each file what was durable and what a fate leaves of the rest (nothing,
 * by default), and closes all files, as the end of the machine does. Bytes are copied on their way in and out.
 * `adapters/simulation/storage` builds its faults on it.
 */
import { Effect, type Scope } from "effect"
import { type AppendFile, NameTaken, type StableStorage, StorageError } from "./StableStorage.ts"
import { invalidName, invalidRange } from "./storageName.ts"

export interface JournalEntry {
  readonly call: "create" | "open" | "append" | "read" | "size" | "list" | "remove"
  readonly name: string
  /** Written or read. */
  readonly bytes: number
  /** Whether the call made something durable before it returned. */
  readonly sync: boolean
}

/** What a crash leaves of the appends that were not synced, in order, behind what was durable. */
export type Fate = (name: string, unsynced: ReadonlyArray<Uint8Array>) => Uint8Array

export interface MemoryStorage extends StableStorage {
  readonly journal: ReadonlyArray<JournalEntry>
  /** How many calls made something durable so far: what a disk would have been waited for. */
  readonly syncs: () => number
  /** Ends all files, or those that `of` names, as the machine would: they take no more appends. */
  readonly crash: (fate?: Fate, of?: (name: string) => boolean) => void
  /** Puts a file there as it is, or instead of one: how tests plant what another left. */
  readonly put: (name: string, bytes: Uint8Array) => void
  /** Takes a file away, as if it had never been there. */
  readonly vanish: (name: string) => void
  /** Changes the bytes of a file where they are: how tests plant damage. */
  readonly alter: (name: string, change: (bytes: Uint8Array) => void) => void
  /** Bytes of a file, and how many of them a crash leaves whatever the fate; undefined: there is none of this name. */
  readonly sizes: (name: string) => { readonly all: number; readonly durable: number } | undefined
}

export interface MemoryStorageOptions {
  readonly appends?: boolean
  readonly place?: string
}

/** Latest calls that are kept; a run of a day keeps no more. */
export const journalMax = 20_000

interface MemoryFile {
  /** With room to grow. */
  room: Uint8Array
  length: number
  durable: number
  /** Where the appends end that are not durable. */
  readonly unsynced: Array<number>
  takesAppends: boolean
}

const fileOf = (bytes: Uint8Array, takesAppends: boolean): MemoryFile => ({
  room: bytes.slice(),
  length: bytes.length,
  durable: bytes.length,
  unsynced: [],
  takesAppends
})

const extend = (file: MemoryFile, bytes: Uint8Array): void => {
  const length = file.length + bytes.length
  if (length > file.room.length) {
    const room = new Uint8Array(Math.max(length, 2 * file.room.length))
    room.set(file.room.subarray(0, file.length))
    file.room = room
  }
  file.room.set(bytes, file.length)
  file.length = length
  file.unsynced.push(length)
}

const sync = (file: MemoryFile): void => {
  file.durable = file.length
  file.unsynced.length = 0
}

const nothing: Fate = () => new Uint8Array(0)

const crashed = (name: string, file: MemoryFile, fate: Fate): MemoryFile => {
  if (file.unsynced.length === 0) return { ...file, takesAppends: false }
  const starts = [file.durable, ...file.unsynced]
  const left = fate(name, file.unsynced.map((end, i) => file.room.slice(starts[i], end)))
  const bytes = new Uint8Array(file.durable + left.length)
  bytes.set(file.room.subarray(0, file.durable))
  bytes.set(left, file.durable)
  return fileOf(bytes, false)
}

const journalOf = () => {
  const entries: Array<JournalEntry> = []
  let syncs = 0
  return {
    entries,
    syncs: () => syncs,
    note: (call: JournalEntry["call"], name: string, bytes = 0, sync = false) => {
      if (sync) syncs++
      if (entries.length >= 2 * journalMax) entries.splice(0, entries.length - journalMax)
      entries.push({ call, name, bytes, sync })
    }
  }
}

const taken = (name: string) =>
  new NameTaken({ name, message: `${name} is there already: nothing is ever written over a name` })

export const memoryStorage = ({ appends = true, place = "memory" }: MemoryStorageOptions = {}): MemoryStorage => {
  const files = new Map<string, MemoryFile>()
  const { entries, note, syncs } = journalOf()
  const checked = <A, E>(name: string, work: () => Effect.Effect<A, E>): Effect.Effect<A, E | StorageError> =>
    Effect.suspend((): Effect.Effect<A, E | StorageError> => {
      const mistake = invalidName(name)
      return mistake === undefined ? work() : Effect.fail(mistake)
    })

  const appendTo = (name: string, file: MemoryFile): AppendFile => ({
    append: (bytes, options) =>
      Effect.suspend(() => {
        // A crash puts another file in the place of this one.
        if (files.get(name) !== file || !file.takesAppends) return Effect.fail(closed(name))
        extend(file, bytes)
        if (options?.sync !== false) sync(file)
        note("append", name, bytes.length, options?.sync !== false)
        return Effect.void
      })
  })

  const make = (name: string, bytes: Uint8Array, takesAppends: boolean): Effect.Effect<MemoryFile, NameTaken> => {
    if (files.has(name)) return Effect.fail(taken(name))
    const file = fileOf(bytes, takesAppends)
    files.set(name, file)
    note(takesAppends ? "open" : "create", name, bytes.length, true)
    return Effect.succeed(file)
  }

  const open = (name: string): Effect.Effect<AppendFile, StorageError | NameTaken, Scope.Scope> =>
    Effect.map(
      Effect.acquireRelease(
        checked<MemoryFile, StorageError | NameTaken>(
          name,
          () => appends ? make(name, new Uint8Array(0), true) : Effect.fail(appendsNot(place, name))
        ),
        (file) => Effect.sync(() => void (file.takesAppends = false))
      ),
      (file) => appendTo(name, file)
    )

  return {
    place,
    appends,
    journal: entries,
    syncs,
    crash: (fate = nothing, of = () => true) => {
      for (const [name, file] of files) if (of(name)) files.set(name, crashed(name, file, fate))
    },
    put: (name, bytes) => void files.set(name, fileOf(bytes, false)),
    vanish: (name) => void files.delete(name),
    alter: (name, change) => {
      const file = files.get(name)
      if (file !== undefined) change(file.room.subarray(0, file.length))
    },
    sizes: (name) => {
      const file = files.get(name)
      return file === undefined ? undefined : { all: file.length, durable: file.durable }
    },
    create: (name, bytes) => checked(name, () => Effect.asVoid(make(name, bytes, false))),
    open,
    read: (name, range) =>
      checked(name, () => {
        const mistake = invalidRange(name, range)
        if (mistake !== undefined) return Effect.fail(mistake)
        const file = files.get(name)
        const offset = range?.offset ?? 0
        const end = file === undefined ? 0 : Math.min(file.length, offset + (range?.length ?? file.length))
        const bytes = file?.room.slice(offset, Math.max(offset, end))
        note("read", name, bytes?.length)
        return Effect.succeed(bytes)
      }),
    size: (name) =>
      checked(name, () => {
        note("size", name)
        return Effect.succeed(files.get(name)?.length)
      }),
    list: (prefix) =>
      Effect.sync(() => {
        note("list", prefix)
        return [...files.keys()].filter((name) => name.startsWith(prefix)).sort()
      }),
    remove: (name) =>
      checked(name, () => {
        files.delete(name)
        note("remove", name)
        return Effect.void
      })
  }
}

const closed = (name: string) =>
  new StorageError({
    reason: "Invalid",
    name,
    message: `${name} takes no more appends: it was closed, or a crash or a failed append has ended it`
  })

const appendsNot = (place: string, name: string) =>
  new StorageError({
    reason: "Invalid",
    name,
    message: `${place} takes no appends, so ${name} cannot be opened for them: create it whole`
  })
