/**
 * StateSnapshots: snapshots of states, written aside from the batches and read after a loss.
 *
 * A snapshot is captured at once, between two steps, and encoded piece by piece, so that tasks get their turn; one is written at
 * a time. What this executor wrote or read it removes once a later one is safe. The driver is told of each that is written; a
 * failure is told too and costs nothing but a longer way back: the one before stays.
 */
import { Cause, Effect, FiberSet, type Scope, Semaphore } from "effect"
import { describeError } from "../../../core/protocol/describeError.ts"
import type { ToDriver } from "../../../core/protocol/ExecutorProtocol.ts"
import type { PartitionIndex, RddId, StreamId } from "../../../core/protocol/Ids.ts"
import type { StateSnapshot } from "../../../core/state/StateStore.ts"
import type { Time } from "../../../core/time/Time.ts"
import type { SnapshotSpace } from "../../storage/SnapshotSpace.ts"
import * as Pace from "../Pace.ts"

/** The version of one partition of a state. */
export interface StateVersion {
  readonly state: RddId
  readonly operator: StreamId
  readonly partition: PartitionIndex
  readonly time: Time
}

export interface StateSnapshots {
  /** Returns at once. */
  readonly write: (version: StateVersion, snapshot: StateSnapshot) => void
  /** The pieces, in order; fails with a sentence. */
  readonly read: (version: StateVersion) => Effect.Effect<Iterable<unknown>, string>
  /** Snapshots of `operator` before `time` are not needed any more. */
  readonly removeBefore: (operator: StreamId, time: Time) => void
}

const nameOf = ({ operator, partition, time }: StateVersion) => `state/${operator}/${partition}/${time}`

export const make = Effect.fnUntraced(function* (
  { codec, storage }: SnapshotSpace["Service"],
  toDriver: (message: ToDriver) => void
): Effect.fn.Return<StateSnapshots, never, Scope.Scope> {
  const fork = yield* FiberSet.makeRuntime<never, void, never>()
  const oneAtATime = yield* Semaphore.make(1)
  const own = new Map<string, StateVersion>()

  const encode = Effect.fnUntraced(function* (snapshot: StateSnapshot) {
    const pace = yield* Pace.make
    const pieces: Array<Uint8Array> = []
    for (const piece of snapshot.pieces) {
      pieces.push(new Uint8Array(codec.encode(piece)))
      if (pace.isDue()) yield* pace.giveWay
    }
    return new Uint8Array(codec.encode(pieces))
  })

  const write = (version: StateVersion, snapshot: StateSnapshot) => {
    const { partition, state } = version
    return Effect.gen(function* () {
      const bytes = yield* encode(snapshot)
      const name = nameOf(version)
      yield* storage.write(name, bytes)
      own.set(name, version)
      toDriver({ kind: "SnapshotTaken", state, partition, bytes: bytes.byteLength })
    }).pipe(
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.void
          : Effect.sync(() =>
            toDriver({ kind: "SnapshotFailed", state, partition, reason: describeError(Cause.squash(cause)) })
          )
      ),
      oneAtATime.withPermits(1)
    )
  }

  return {
    write: (version, snapshot) => void fork(write(version, snapshot)),
    read: Effect.fnUntraced(function* (version: StateVersion) {
      const name = nameOf(version)
      const bytes = yield* Effect.mapError(storage.read(name), (error) => error.message)
      if (bytes === undefined) return yield* Effect.fail(`there is no snapshot ${name}`)
      own.set(name, version)
      return yield* Effect.try({
        try: () => decoded(codec.decode, bytes),
        catch: (error) => `snapshot ${name} cannot be read: ${describeError(error)}`
      })
    }),
    removeBefore: (operator, time) => {
      for (const [name, version] of own) {
        if (version.operator !== operator || version.time >= time) continue
        own.delete(name)
        fork(Effect.catch(storage.remove(name), (error) => Effect.logWarning(`snapshot ${name}: ${error.message}`)))
      }
    }
  }
})

const decoded = (decode: (bytes: ArrayBuffer) => unknown, bytes: Uint8Array): Iterable<unknown> => {
  const pieces = decode(bytes.slice().buffer) as ReadonlyArray<Uint8Array>
  return {
    *[Symbol.iterator]() {
      for (const piece of pieces) yield decode(piece.slice().buffer as ArrayBuffer)
    }
  }
}
