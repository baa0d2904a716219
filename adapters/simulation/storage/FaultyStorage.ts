/**
 * FaultyStorage: StableStorage that keeps its promises and nothing more: the memory making, under every fault that storage can have.
 *
 * One of them is the disk that all nodes of a simulated world share. Each node has a client of its own: when the node is killed, `crash`
 * of the client decides what is left of what it had not synced. A call takes time on the caller's clock; it has its effect in the middle
 * of that time, so that a kill finds it before, under way, or done and not acknowledged. `interfere` strikes one call at a moment
 * of choice: it names the call, and how far that gets before the act (a kill, most likely), after which it never returns.
 *
 * Faults of the class "detected" break promises. What they cost is in `damage`, by file: a test that finds nothing of it told has
 * found silence.
 */
import { Clock, Effect, type Scope } from "effect"
import { type JournalEntry, type MemoryStorage, memoryStorage } from "../../../runtime/storage/memoryStorage.ts"
import {
  type AppendFile,
  type NameTaken,
  type StableStorage,
  StorageError
} from "../../../runtime/storage/StableStorage.ts"
import type { CallMoment } from "../faults/Faults.ts"
import type { Chance } from "../kernel/Chance.ts"
import { drawnFate, tornBytes } from "./fates.ts"
import { type FateKind, type StorageFaultKind, storageFaultKinds, type StoragePlan } from "./StorageFaults.ts"

export interface PortCall {
  readonly client: string
  readonly call: JournalEntry["call"]
  readonly name: string
  /** Counts the calls of all clients, from 0. */
  readonly index: number
}

/** How far a call gets before something happens to who made it: it never returns. */
export interface Interference {
  readonly moment: CallMoment
  readonly act: () => void
}

export interface FaultyStorageOptions {
  readonly chance: Chance
  readonly plan: StoragePlan
  readonly appends?: boolean
  readonly struck?: (kind: StorageFaultKind | FateKind, name: string) => void
  readonly interfere?: (call: PortCall) => Interference | undefined
}

/** What a fault of the class "detected" did. */
export interface Damage {
  readonly kind: "flippedBit" | "lostSync"
  readonly name: string
}

const removedMax = 200

interface Removed {
  readonly bytes: Uint8Array
  readonly at: number
}

export class FaultyStorage {
  readonly disk: MemoryStorage
  readonly counts: Record<StorageFaultKind, number>
  readonly damage: Array<Damage> = []
  /** Files whose very end is gone though it was said to be durable. What is left of them is whole, and cannot tell it. */
  readonly cutOff: Array<string> = []
  calls = 0
  private readonly options: FaultyStorageOptions
  private readonly chance: Chance
  private over = false
  private fullUntil = -Infinity
  private readonly hiddenUntil = new Map<string, number>()
  private readonly removed = new Map<string, Removed>()
  /** By client: its files, and among them those whose sync was none, with the size that they were said to have. */
  private readonly files = new Map<string, Set<string>>()
  private readonly unsafe = new Map<string, number>()

  constructor(options: FaultyStorageOptions) {
    this.options = options
    this.chance = options.chance.split("storage")
    this.disk = memoryStorage({ appends: options.appends ?? true, place: "simulated disk" })
    this.counts = Object.fromEntries(storageFaultKinds.map((kind) => [kind, 0])) as Record<StorageFaultKind, number>
  }

  /** From now on nothing strikes; what was struck stays. */
  end(): void {
    this.over = true
    this.fullUntil = -Infinity
  }

  /** The storage as one node sees it. */
  client(client: string): StableStorage {
    const { disk } = this
    return {
      place: disk.place,
      appends: disk.appends,
      create: (name, bytes) => this.created(client, name, bytes),
      open: (name) => this.opened(client, name),
      read: (name, range) =>
        this.reading(client, "read", name, () => {
          const size = this.sizeShown(name)
          const offset = range?.offset ?? 0
          const length = Math.min(range?.length ?? Infinity, Math.max(0, (size ?? 0) - offset))
          return disk.read(name, size === undefined ? range : { offset, length })
        }),
      size: (name) => this.reading(client, "size", name, () => Effect.map(disk.size(name), () => this.sizeShown(name))),
      list: (prefix) => this.listed(client, prefix),
      remove: (name) => this.removing(client, name)
    }
  }

  /** The node has been killed, and the machine with it: what it had not synced meets its fate. */
  crash(client: string): void {
    const files = this.files.get(client) ?? new Set()
    const fate = drawnFate(this.chance, this.options.plan.fates, (kind, name) => {
      this.options.struck?.(kind, name)
      if (this.unsafe.has(name)) this.damage.push({ kind: "lostSync", name })
    })
    for (const name of files) {
      if (!this.disk.appends && this.unsafe.has(name) && this.chance.coin(0.5)) this.vanish(name)
    }
    this.disk.crash(fate, (name) => files.has(name))
    for (const [name, size] of this.unsafe) {
      if (files.has(name) && this.disk.appends && (this.disk.sizes(name)?.all ?? 0) < size) this.cutOff.push(name)
    }
    for (const [name, { bytes }] of this.removed) {
      if (!this.strikes("removalUndone", name) || this.disk.sizes(name) !== undefined) continue
      this.disk.put(name, bytes)
      this.removed.delete(name)
    }
    this.files.delete(client)
  }

  private vanish(name: string): void {
    this.disk.vanish(name)
    this.damage.push({ kind: "lostSync", name })
  }

  private created(client: string, name: string, bytes: Uint8Array): Effect.Effect<void, StorageError | NameTaken> {
    return this.writing(
      client,
      "create",
      name,
      () =>
        Effect.tap(this.disk.create(name, bytes), () =>
          Effect.sync(() => {
            this.mine(client, name)
            if (!this.disk.appends && this.strikes("lostSync", name)) this.unsafe.set(name, 0)
            this.durable(name, 0)
          }))
    )
  }

  private opened(client: string, name: string): Effect.Effect<AppendFile, StorageError | NameTaken, Scope.Scope> {
    return Effect.map(
      this.writing(
        client,
        "open",
        name,
        () => Effect.tap(this.disk.open(name), () => Effect.sync(() => this.mine(client, name)))
      ),
      (file) => this.appendFile(client, name, file)
    )
  }

  private appendFile(client: string, name: string, file: AppendFile): AppendFile {
    let failed = false
    const append: AppendFile["append"] = (bytes, options) =>
      Effect.gen({ self: this }, function* () {
        if (failed) return yield* this.error("Invalid", name, "takes no more appends, for one failed")
        const sync = options?.sync !== false
        const torn = () => Effect.ignore(file.append(tornBytes(this.chance, bytes), { sync: false }))
        const interference = yield* this.begin(client, "append", name)
        if (interference?.moment === "torn") {
          yield* torn()
          return yield* this.gone(interference)
        }
        const full = yield* this.isFull(name)
        if (full || this.strikes("tornAppend", name)) {
          yield* torn()
          return yield* full ? this.full(name) : this.error("Unavailable", name, "was not appended to")
        }
        yield* this.refuse(name)
        // Under way from here on: it is there, and a crash may take it.
        const before = this.disk.sizes(name)?.durable ?? 0
        yield* file.append(bytes, { sync: false })
        yield* this.pause()
        if (sync && !this.strikes("lostSync", name)) {
          yield* file.append(new Uint8Array(0), { sync: true })
          this.unsafe.delete(name)
          this.durable(name, before)
        } else if (sync) this.unsafe.set(name, this.disk.sizes(name)?.all ?? 0)
        return yield* this.finish(name, interference)
      })
    return {
      append: (bytes, options) => Effect.tapError(append(bytes, options), () => Effect.sync(() => void (failed = true)))
    }
  }

  private listed(client: string, prefix: string): Effect.Effect<ReadonlyArray<string>, StorageError> {
    return this.reading(client, "list", prefix, () =>
      Effect.gen({ self: this }, function* () {
        const now = yield* Clock.currentTimeMillis
        const there = (yield* this.disk.list(prefix)).filter((name) => (this.hiddenUntil.get(name) ?? 0) <= now)
        const gone = [...this.removed].filter(([name, { at }]) =>
          name.startsWith(prefix) && at > now - this.options.plan.staleMillis && !there.includes(name)
        )
        const stale = gone.length > 0 && this.strikes("staleList", prefix)
        return stale ? [...there, ...gone.map(([name]) => name)].sort() : there
      }))
  }

  private removing(client: string, name: string): Effect.Effect<void, StorageError> {
    return this.writing(client, "remove", name, () =>
      Effect.gen({ self: this }, function* () {
        const bytes = yield* this.disk.read(name)
        yield* this.disk.remove(name)
        this.unsafe.delete(name)
        if (bytes === undefined) return
        if (this.removed.size >= removedMax) this.removed.delete(this.removed.keys().next().value!)
        this.removed.set(name, { bytes, at: yield* Clock.currentTimeMillis })
      }))
  }

  private writing<A, E, R>(
    client: string,
    call: PortCall["call"],
    name: string,
    work: () => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | StorageError, R> {
    return Effect.gen({ self: this }, function* () {
      const interference = yield* this.begin(client, call, name)
      if (interference?.moment === "torn") return yield* this.gone(interference)
      if (call !== "remove" && (yield* this.isFull(name))) return yield* this.full(name)
      yield* this.refuse(name)
      const done = yield* work()
      if (call !== "remove" && this.strikes("lateName", name)) {
        const until = (yield* Clock.currentTimeMillis) +
          this.chance.between(1, Math.max(1, this.options.plan.staleMillis))
        this.hiddenUntil.set(name, until)
      }
      yield* this.pause()
      yield* this.finish(name, interference)
      return done
    })
  }

  private reading<A>(
    client: string,
    call: PortCall["call"],
    name: string,
    work: () => Effect.Effect<A, StorageError>
  ): Effect.Effect<A, StorageError> {
    return Effect.gen({ self: this }, function* () {
      const interference = yield* this.begin(client, call, name)
      if (this.strikes("readError", name)) return yield* this.error("Unavailable", name, "could not be read")
      const found = yield* work()
      yield* this.pause()
      if (interference !== undefined) return yield* this.gone(interference)
      return found
    })
  }

  private begin(
    client: string,
    call: PortCall["call"],
    name: string
  ): Effect.Effect<Interference | undefined> {
    return Effect.gen({ self: this }, function* () {
      const index = this.calls++
      const interference = this.options.interfere?.({ client, call, name, index })
      if (interference?.moment === "before") return yield* this.gone(interference)
      yield* this.pause()
      if (this.strikes("slow", name)) {
        yield* Effect.sleep(this.chance.between(1, Math.max(1, this.options.plan.slowMillisMax)))
      }
      return interference
    })
  }

  private finish(name: string, interference: Interference | undefined): Effect.Effect<void, StorageError> {
    if (interference !== undefined) return this.gone(interference)
    return this.strikes("unacknowledged", name) ? this.error("Unavailable", name, "did not answer") : Effect.void
  }

  private gone({ act }: Interference): Effect.Effect<never> {
    return Effect.suspend(() => {
      act()
      return Effect.never
    })
  }

  private refuse(name: string): Effect.Effect<void, StorageError> {
    return this.strikes("refused", name) ? this.error("Unavailable", name, "was refused") : Effect.void
  }

  private isFull(name: string): Effect.Effect<boolean> {
    return Effect.map(Clock.currentTimeMillis, (now) => {
      if (now >= this.fullUntil && this.strikes("full", name)) this.fullUntil = now + this.options.plan.fullMillis
      return now < this.fullUntil
    })
  }

  private full(name: string): Effect.Effect<never, StorageError> {
    return this.error("Full", name, "could not be written: the disk is full")
  }

  private pause(): Effect.Effect<void> {
    return Effect.suspend(() => Effect.sleep(this.chance.below(this.options.plan.usualMillis * 4 + 1) / 8))
  }

  /** What a reader sees: all, or for one that lags a beginning that has at least what is durable. */
  private sizeShown(name: string): number | undefined {
    const sizes = this.disk.sizes(name)
    if (sizes === undefined) return undefined
    const { all, durable } = sizes
    return all > durable && this.strikes("shortRead", name) ? this.chance.between(durable, all) : all
  }

  /** From `offset` on it is durable now, and may be hit. */
  private durable(name: string, offset: number): void {
    const size = this.disk.sizes(name)?.durable ?? 0
    if (size <= offset || !this.strikes("flippedBit", name)) return
    const at = this.chance.between(offset, size - 1)
    this.disk.alter(name, (bytes) => void (bytes[at]! ^= 1 << this.chance.below(8)))
    this.damage.push({ kind: "flippedBit", name })
  }

  private mine(client: string, name: string): void {
    this.files.set(client, (this.files.get(client) ?? new Set()).add(name))
  }

  private strikes(kind: StorageFaultKind, name: string): boolean {
    const strikes = !this.over && this.chance.coin(this.options.plan.rates[kind])
    if (strikes) {
      this.counts[kind]++
      this.options.struck?.(kind, name)
    }
    return strikes
  }

  private error(reason: StorageError["reason"], name: string, what: string): Effect.Effect<never, StorageError> {
    return Effect.fail(new StorageError({ reason, name, message: `${name} ${what} (a simulated fault)` }))
  }
}
