/**
 * batchedLog: the write-ahead log over a storage whose writes wait until they are unblocked. The wrapped log is what reaches storage:
 * a write of it is a group, and its time the newest of its records', which carry their times in their bytes.
 */
import { Effect, Exit, Fiber, Latch, Scope } from "effect"
import { TestClock } from "effect/testing"
import { crc32 } from "../../../../core/wal/crc32.ts"
import { scanSegment } from "../../../../core/wal/scanSegment.ts"
import { memoryStorage } from "../../../../runtime/storage/memoryStorage.ts"
import type { StableStorage } from "../../../../runtime/storage/StableStorage.ts"
import * as WriteAheadLog from "../../../../runtime/storage/WriteAheadLog.ts"
import { type Json, known } from "../../Vector.ts"
import type { Apply, Machine } from "../machine.ts"

interface WrappedWrite {
  readonly records: ReadonlyArray<string>
  readonly timeMs: number
}

const encode = ({ record, timeMs }: Json): Uint8Array => new TextEncoder().encode(JSON.stringify({ record, timeMs }))

const writesOf = (bytes: Uint8Array): ReadonlyArray<WrappedWrite> =>
  scanSegment({ bytes, segment: 1, log: undefined }, crc32).pieces.flatMap((piece) => {
    if (piece.kind === "Bad") return []
    const entries = piece.records.map(({ length, offset }) =>
      JSON.parse(new TextDecoder().decode(bytes.subarray(offset, offset + length)))
    )
    return [{ records: entries.map(({ record }) => record), timeMs: Math.max(...entries.map(({ timeMs }) => timeMs)) }]
  })

/** In the form that is expected: a set in the order in which it is told, if it is that set. */
const asExpected = (write: WrappedWrite, expected: Json): Json => {
  const set: ReadonlyArray<string> | undefined = expected?.recordsAsSet
  if (set === undefined) return write
  const isSame = set.toSorted().join("\n") === write.records.toSorted().join("\n")
  return { recordsAsSet: isSame ? set : write.records, timeMs: write.timeMs }
}

/** Of a group, wherever it is to go. */
const recordsOf = (group: Uint8Array): number => new DataView(group.buffer, group.byteOffset).getUint32(24, true)

/** Its files are closed as often as `closes` says, and its first append waits at the gate. */
const gated = (gate: Latch.Latch) => {
  const memory = memoryStorage()
  const seen = { begun: 0, closes: 0 }
  const storage: StableStorage = {
    ...memory,
    open: (name) =>
      memory.open(name).pipe(
        Effect.tap(() => Effect.addFinalizer(() => Effect.sync(() => seen.closes++))),
        Effect.map((file) => ({
          append: (bytes, options) => {
            seen.begun += recordsOf(bytes)
            return Effect.andThen(gate.await, file.append(bytes, options))
          }
        }))
      )
  }
  return { memory, storage, seen }
}

export const batchedLog: Machine = {
  takes: ["do", "record", "timeMs", "note"],
  open: Effect.fnUntraced(function* () {
    const gate = yield* Latch.make()
    const { memory, seen, storage } = gated(gate)
    const scope = yield* Scope.fork(yield* Effect.scope)
    const log = yield* Scope.provide(scope)(WriteAheadLog.make({ storage, prefix: "log" }))
    let written = 0
    let closed = false
    const settled = TestClock.adjust(1)
    const steps: Readonly<Record<string, Apply>> = {
      write: Effect.fnUntraced(function* (step) {
        written++
        const writing = yield* Effect.forkScoped(log.append([encode(step)]))
        yield* settled
        if (closed) yield* Fiber.join(writing)
      }),
      queueLength: () => Effect.succeed({ expect: written - seen.begun }),
      unblock: () => Effect.andThen(gate.open, settled),
      wrappedWrites: Effect.fnUntraced(function* ({ expect }) {
        const writes = writesOf((yield* memory.read("log/00000001")) ?? new Uint8Array(0))
        return { expect: writes.map((write, i) => asExpected(write, expect[i])) }
      }),
      // What has written nothing has nothing open.
      close: Effect.fnUntraced(function* () {
        yield* gate.open
        yield* log.append([encode({ record: "open", timeMs: 0 })])
        yield* Scope.close(scope, Exit.void)
        yield* Scope.close(scope, Exit.void)
        closed = true
        return { expectWrappedCloses: seen.closes }
      })
    }
    return (step) => known("step", steps, step.do)(step)
  })
}
