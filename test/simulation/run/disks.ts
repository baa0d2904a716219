/**
 * The disks of a simulated run: one of each executor's own, gone with it, and the place for snapshots, which all share and which
 * outlives them. Every access takes a few milliseconds.
 *
 * The place for snapshots fails at writing, is slow, and gives back damaged bytes where the faults say so.
 */
import { Effect } from "effect"
import type { ExecutorId, StreamId } from "../../../core/protocol/Ids.ts"
import type { Time } from "../../../core/time/Time.ts"
import * as BlockStorage from "../../../runtime/storage/BlockStorage.ts"
import { snapshotOf as snapshotName } from "../../../runtime/storage/snapshotNames.ts"
import type { Faults } from "../Faults.ts"
import type { Observation } from "../invariants/Observation.ts"
import type { Chance } from "../kernel/Chance.ts"

export function slowDisk(chance: Chance, disk: BlockStorage.BlockStorage = BlockStorage.memory()) {
  const slowly = <A, E>(access: Effect.Effect<A, E>) =>
    Effect.suspend(() => Effect.andThen(Effect.sleep(chance.below(6)), access))
  return {
    write: (name: string, bytes: Uint8Array) => slowly(disk.write(name, bytes)),
    read: (name: string) => slowly(disk.read(name)),
    remove: (name: string) => slowly(disk.remove(name))
  }
}

export interface SnapshotDisksOptions {
  readonly chance: Chance
  readonly faults: Faults
  readonly observe: (observation: Observation) => void
}

interface Snapshot {
  readonly operator: StreamId
  readonly partition: number
  readonly time: Time
}

const snapshotOf = (name: string): Snapshot => snapshotName(name)!

export class SnapshotDisks {
  private readonly options: SnapshotDisksOptions
  private readonly disk: BlockStorage.BlockStorage
  /** By operator: its complete snapshots, and those of which something was damaged. */
  private readonly complete = new Map<StreamId, Set<Time>>()
  private readonly damaged = new Map<StreamId, Set<Time>>()

  constructor(options: SnapshotDisksOptions) {
    this.options = options
    this.disk = slowDisk(options.chance)
  }

  completed(operator: StreamId, time: Time): void {
    this.complete.set(operator, (this.complete.get(operator) ?? new Set()).add(time))
  }

  /** The place as one executor sees it. */
  of(executor: ExecutorId): BlockStorage.BlockStorage {
    const { disk, options: { faults, observe } } = this
    return {
      write: (name, bytes) =>
        Effect.gen(function* () {
          faults.stateWork("crashInSnapshot", executor)
          yield* Effect.sleep(faults.snapshotDelayMillis())
          if (faults.failsSnapshot()) {
            return yield* Effect.fail(new BlockStorage.BlockStorageError({ message: "the disk is full" }))
          }
          yield* disk.write(name, bytes)
          observe({ kind: "SnapshotWritten", ...snapshotOf(name), file: name })
        }),
      read: (name) =>
        Effect.map(disk.read(name), (bytes) => {
          if (bytes === undefined || !this.mayDamage(snapshotOf(name)) || !faults.damagesSnapshot()) return bytes
          const { operator, time } = snapshotOf(name)
          this.damaged.set(operator, (this.damaged.get(operator) ?? new Set()).add(time))
          return bytes.slice(0, Math.floor(bytes.length / 2))
        }),
      remove: (name) =>
        Effect.suspend(() => {
          observe({ kind: "SnapshotRemoved", ...snapshotOf(name), file: name })
          return disk.remove(name)
        })
    }
  }

  /** What is promised survives one damaged snapshot: the complete one before it has to be there, and whole. */
  private mayDamage({ operator, time }: Snapshot): boolean {
    const complete = [...this.complete.get(operator) ?? []].sort((a, b) => a - b)
    const before = complete.findLast((it) => it < time)
    if (before === undefined || time < complete.at(-1)!) return false
    return ![...this.damaged.get(operator) ?? []].some((it) => it >= before && it !== time)
  }
}
