/**
 * scriptedStorage: the memory making, whose writes fare as a list says, one after the other; when it is used up, they are done.
 */
import { Effect, Latch } from "effect"
import { type MemoryStorage, memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import { type AppendFile, type StableStorage, StorageError } from "../../runtime/storage/StableStorage.ts"

export type Fare =
  | "done"
  /** Nothing is done. */
  | "refused"
  | "full"
  /** All is done, and the call fails. */
  | "unacknowledged"
  /** Half of the bytes are there, and the call fails. */
  | "torn"
  /** Done once the gate is opened. */
  | "held"

export interface Scripted {
  readonly storage: StableStorage
  readonly memory: MemoryStorage
  /** How the next writes (open, create, append) fare. */
  readonly script: Array<Fare>
  readonly gate: Latch.Latch
  /** Writes that began. */
  readonly begun: Array<{ readonly call: "open" | "create" | "append"; readonly bytes: Uint8Array }>
  /** Files that were closed. */
  readonly closes: () => number
}

const failure = (fare: "full" | "other", name: string) =>
  new StorageError({
    reason: fare === "full" ? "Full" : "Unavailable",
    name,
    message: `${name} failed, as the script says`
  })

export const scriptedStorage = (options: { readonly appends?: boolean } = {}): Scripted => {
  const memory = memoryStorage(options)
  const script: Array<Fare> = []
  const gate = Latch.makeUnsafe()
  const begun: Array<Scripted["begun"][number]> = []
  let closes = 0

  const faring = <A, E, R>(
    call: Scripted["begun"][number]["call"],
    name: string,
    bytes: Uint8Array,
    write: (bytes: Uint8Array) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | StorageError, R> =>
    Effect.gen(function* () {
      const fare = script.shift() ?? "done"
      begun.push({ call, bytes })
      if (fare === "refused" || fare === "full") return yield* failure(fare === "full" ? "full" : "other", name)
      if (fare === "held") yield* gate.await
      const done = yield* write(fare === "torn" ? bytes.subarray(0, bytes.length / 2) : bytes)
      return fare === "done" || fare === "held" ? done : yield* failure("other", name)
    })

  const scripted = (name: string, file: AppendFile): AppendFile => ({
    append: (bytes, options) => faring("append", name, bytes, (some) => file.append(some, options))
  })

  const storage: StableStorage = {
    ...memory,
    create: (name, bytes) => faring("create", name, bytes, () => memory.create(name, bytes)),
    open: (name) =>
      Effect.tap(
        Effect.map(faring("open", name, new Uint8Array(0), () => memory.open(name)), (file) => scripted(name, file)),
        () => Effect.addFinalizer(() => Effect.sync(() => closes++))
      )
  }
  return { storage, memory, script, gate, begun, closes: () => closes }
}
