/**
 * StateSnapshots: snapshots of states, written aside from the batches and read after a loss.
 *
 * A snapshot is captured at once, between two steps, and encoded piece by piece, with rests (see `Rests`), so that batches hardly
 * notice; one is written at a time. It builds on the one before of the same store where that lets it be small: a chain begins with a
 * whole one, and a new one is begun when it has `chainMax` files, when what was added comes to half of the whole one, and where a
 * write has failed. Names are never written twice: a version that is made again has another name.
 *
 * The driver is told of each that is written, by its files, base first, and of each that is not: where storage failed, the one before
 * stays, and the way back is longer; a state that cannot be encoded would never have a snapshot, and is the program's mistake.
 * Unless the driver does, this executor removes what it wrote or read once it is not needed any more.
 */
import { Cause, Deferred, Effect, FiberSet, type Scope, Semaphore } from "effect"
import { describeError } from "../../../core/protocol/describeError.ts"
import type { ToDriver } from "../../../core/protocol/ExecutorProtocol.ts"
import type { PartitionIndex, RddId, StreamId } from "../../../core/protocol/Ids.ts"
import * as SnapshotFile from "../../../core/state/snapshots/SnapshotFile.ts"
import { InvalidSnapshot } from "../../../core/state/snapshots/InvalidSnapshot.ts"
import { StateRefused } from "../../../core/state/snapshots/StateRefused.ts"
import type { RemovableSnapshots, SnapshotFiles } from "../../../core/state/SnapshotTracker.ts"
import type { StateSnapshot, StateStore } from "../../../core/state/StateStore.ts"
import type { Time } from "../../../core/time/Time.ts"
import { Checksum } from "../../storage/Checksum.ts"
import { patiently } from "../../storage/patientStorage.ts"
import type { SnapshotSpace } from "../../storage/snapshots/SnapshotSpace.ts"
import { snapshotName } from "../../storage/snapshots/snapshotNames.ts"
import type { StorageError } from "../../storage/StableStorage.ts"
import { NotPlainData, whatIsNot } from "./NotPlainData.ts"
import * as Rests from "./Rests.ts"

/** The version of one partition of a state. */
export interface StateVersion {
  readonly state: RddId
  readonly operator: StreamId
  readonly partition: PartitionIndex
  /** Over how many the state is spread. */
  readonly partitions: number
  readonly time: Time
}

export interface StateSnapshots {
  /** Captures the store's newest version, which is this one. Returns at once. */
  readonly write: (version: StateVersion, store: StateStore) => void
  /** Makes a new store what these files say. `StateRefused`: the program cannot go on with it; the others: it is not there, or damaged. */
  readonly restore: (
    version: StateVersion,
    files: SnapshotFiles,
    store: StateStore
  ) => Effect.Effect<void, Unrestorable>
  readonly removeBefore: (gone: RemovableSnapshots) => void
}

export type Unrestorable = StateRefused | InvalidSnapshot | SnapshotFile.SnapshotDamaged | StorageError

/** Files of a chain. */
export const chainMax = 8

/** A name may have been taken by those who made this version before. */
const namesMax = 100

/** A snapshot that a later one of the same store may build on. */
interface Link {
  readonly time: Time
  readonly base: Link | undefined
  /** Where it lies; undefined: it could not be written. */
  readonly written: Deferred.Deferred<string | undefined>
  readonly bytes: { length: number }
  hasFailed: boolean
}

const linkOf = (time: Time, base: Link | undefined): Link => ({
  time,
  base,
  written: Deferred.makeUnsafe(),
  bytes: { length: 0 },
  hasFailed: false
})

/** Whether the next snapshot may build on this one. */
const mayGrow = (last: Link): boolean => {
  let files = 1
  let differences = 0
  let link = last
  for (; link.base !== undefined; link = link.base) {
    if (link.hasFailed) return false
    files++
    differences += link.bytes.length
  }
  return !link.hasFailed && files < chainMax && (differences === 0 || differences * 2 < link.bytes.length)
}

export interface StateSnapshotsOptions {
  readonly space: SnapshotSpace["Service"]
  readonly app: string
  readonly toDriver: (message: ToDriver) => void
}

export const make = Effect.fnUntraced(function* (
  { app, space: { codec, prefix = "state", removes = true, storage }, toDriver }: StateSnapshotsOptions
): Effect.fn.Return<StateSnapshots, never, Scope.Scope> {
  const checksum = yield* Checksum
  const fork = yield* FiberSet.makeRuntime<never, void, never>()
  const oneAtATime = yield* Semaphore.make(1)
  /** The last snapshot of each store. */
  const links = new WeakMap<StateStore, Link>()
  /** Files that are to be removed one day. */
  const own = new Map<string, Pick<StateVersion, "operator" | "time">>()

  const encode = Effect.fnUntraced(function* (snapshot: StateSnapshot, isLate: () => boolean) {
    const rests = yield* Rests.make(isLate)
    const pieces: Array<SnapshotFile.EncodedPiece> = []
    for (const piece of snapshot.pieces) {
      const bytes = yield* Effect.try({
        try: () => new Uint8Array(codec.encode(piece)),
        catch: (error) => new NotPlainData(whatIsNot(piece, codec, error))
      })
      pieces.push({ bytes, checksum: checksum(bytes) })
      if (rests.isDue()) yield* rests.rest
    }
    return pieces
  })

  /** Under the first name that nobody has taken. */
  const create = Effect.fnUntraced(function* (version: StateVersion, bytes: Uint8Array) {
    for (let attempt = 1; attempt <= namesMax; attempt++) {
      const name = snapshotName(prefix, version, attempt)
      const isCreated = yield* storage.create(name, bytes).pipe(
        Effect.as(true),
        Effect.catchTag("NameTaken", () => Effect.succeed(false))
      )
      if (isCreated) return name
    }
    return yield* Effect.fail(`there are ${namesMax} snapshots of this version already`)
  })

  const write = Effect.fnUntraced(
    function* (version: StateVersion, snapshot: StateSnapshot, link: Link, store: StateStore) {
      const { operator, partition, partitions, state, time } = version
      const bases = yield* filesOf(link.base)
      if (bases === undefined) {
        // what was captured is let go of when all of it was asked for
        for (const _ of snapshot.pieces);
        return yield* Effect.fail("the snapshot that it builds on could not be written")
      }
      const pieces = yield* encode(snapshot, () => links.get(store) !== link)
      const description = { app, operator, partition, partitions, time, base: bases.at(-1) ?? null }
      const bytes = SnapshotFile.encode(description, pieces, checksum)
      const name = yield* create(version, bytes)
      if (removes) own.set(name, version)
      link.bytes.length = bytes.length
      toDriver({ kind: "SnapshotTaken", state, partition, files: [...bases, name], bytes: bytes.length })
      Deferred.doneUnsafe(link.written, Effect.succeed(name))
    }
  )

  const writeAside = (version: StateVersion, snapshot: StateSnapshot, link: Link, store: StateStore) => {
    const { partition, state } = version
    const waited = link.base === undefined ? Effect.void : Effect.asVoid(Deferred.await(link.base.written))
    return Effect.andThen(waited, oneAtATime.withPermits(1)(write(version, snapshot, link, store))).pipe(
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.sync(() => {
          const error = Cause.squash(cause)
          const permanent = error instanceof NotPlainData
          const reason = permanent ? error.why : describeError(error)
          link.hasFailed = true
          toDriver({ kind: "SnapshotFailed", state, partition, reason, permanent })
          Deferred.doneUnsafe(link.written, Effect.undefined)
        })
      )
    )
  }

  const read = Effect.fnUntraced(function* (
    version: StateVersion,
    files: SnapshotFiles,
    index: number
  ): Effect.fn.Return<SnapshotFile.SnapshotContents & { readonly length: number }, Unrestorable> {
    const file = files[index]!
    const bytes = yield* patiently(storage.read(file))
    if (bytes === undefined) {
      return yield* new SnapshotFile.SnapshotDamaged({ file, offset: 0, message: `there is no snapshot ${file}` })
    }
    const contents = yield* Effect.fromResult(SnapshotFile.decode(file, bytes, checksum))
    const fault = SnapshotFile.faultOf(
      file,
      contents.description,
      { ...version, app, base: files[index - 1] ?? null },
      index === files.length - 1
    )
    if (fault !== undefined) return yield* fault
    if (removes) own.set(file, contents.description)
    return { ...contents, length: bytes.length }
  })

  const restore = Effect.fnUntraced(function* (
    version: StateVersion,
    files: SnapshotFiles,
    store: StateStore
  ): Effect.fn.Return<void, Unrestorable> {
    const chain: Array<readonly [file: string, contents: SnapshotFile.SnapshotContents]> = []
    let link: Link | undefined
    for (const [i, file] of files.entries()) {
      const contents = yield* read(version, files, i)
      chain.push([file, contents])
      link = linkOf(contents.description.time, link)
      link.bytes.length = contents.length
      Deferred.doneUnsafe(link.written, Effect.succeed(file))
    }
    yield* Effect.try({
      try: () => store.restore(version.time, SnapshotFile.piecesOf(chain, codec)),
      catch: (error) => error as Unrestorable
    })
    links.set(store, link!)
  })

  return {
    write: (version, store) => {
      const before = links.get(store)
      const snapshot = store.snapshot(before !== undefined && mayGrow(before) ? before.time : undefined)
      const link = linkOf(version.time, snapshot.base === undefined ? undefined : before)
      links.set(store, link)
      void fork(writeAside(version, snapshot, link, store))
    },
    restore,
    removeBefore: ({ before, but, operator }) => {
      if (!removes) return
      const kept = new Set(but)
      for (const [name, version] of own) {
        if (version.operator !== operator || version.time >= before || kept.has(name)) continue
        own.delete(name)
        fork(Effect.catch(storage.remove(name), (error) => Effect.logWarning(`snapshot ${name}: ${error.message}`)))
      }
    }
  }
})

/** The files of a chain, base first; undefined: one could not be written. All of them have been waited for. */
const filesOf = Effect.fnUntraced(function* (last: Link | undefined) {
  const files: Array<string> = []
  for (let link = last; link !== undefined; link = link.base) {
    const file = yield* Deferred.await(link.written)
    if (file === undefined) return undefined
    files.unshift(file)
  }
  return files
})
