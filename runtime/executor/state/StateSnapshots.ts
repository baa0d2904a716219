/**
 * StateSnapshots: snapshots of states, written aside from the batches and read after a loss.
 *
 * A snapshot is captured at once, between two steps, and encoded piece by piece, so that tasks get their turn; one is written at
 * a time. What this executor wrote or read it removes once a later one is safe. The driver is told of each that is written, and of
 * each that is not: where storage failed, the one before stays, and the way back is longer; a state that cannot be encoded would
 * never have a snapshot, and is the program's mistake.
 */
import { Cause, Effect, FiberSet, type Scope, Semaphore } from "effect"
import { describeError } from "../../../core/protocol/describeError.ts"
import { describeValue } from "../../../core/protocol/describeValue.ts"
import type { ToDriver } from "../../../core/protocol/ExecutorProtocol.ts"
import type { PartitionIndex, RddId, StreamId } from "../../../core/protocol/Ids.ts"
import type { RecordCodec } from "../../../core/protocol/RecordCodec.ts"
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
      const bytes = yield* Effect.try({
        try: () => new Uint8Array(codec.encode(piece)),
        catch: (error) => new NotPlainData(whatIsNot(piece, codec, error))
      })
      pieces.push(bytes)
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
        Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.sync(() => {
          const error = Cause.squash(cause)
          const permanent = error instanceof NotPlainData
          const reason = permanent ? error.why : describeError(error)
          toDriver({ kind: "SnapshotFailed", state, partition, reason, permanent })
        })
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

/** A state of the program's cannot be encoded, now or ever. */
class NotPlainData {
  readonly why: string

  constructor(why: string) {
    this.why = why
  }
}

/** What of a piece cannot be encoded: the state of which key, where it has such columns. */
const whatIsNot = (piece: unknown, codec: RecordCodec, cause: unknown): string => {
  const { keys, values } = piece as { readonly keys?: unknown; readonly values?: unknown }
  if (!Array.isArray(keys) || !Array.isArray(values)) return describeError(cause)
  for (let i = 0; i < values.length; i++) {
    try {
      codec.encode(values[i])
    } catch (error) {
      return `the state of the key ${describeValue(keys[i])}: ${describeError(error)}`
    }
  }
  return describeError(cause)
}

const decoded = (decode: (bytes: ArrayBuffer) => unknown, bytes: Uint8Array): Iterable<unknown> => {
  const pieces = decode(bytes.slice().buffer) as ReadonlyArray<Uint8Array>
  return {
    *[Symbol.iterator]() {
      for (const piece of pieces) yield decode(piece.slice().buffer as ArrayBuffer)
    }
  }
}
