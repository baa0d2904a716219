/**
 * The disks of a simulated run, besides stable storage: one of each executor's own, gone with it, and for a program without a place for
 * checkpoints the place for snapshots, which all executors share. Every access takes a few milliseconds.
 *
 * `SnapshotFaults` lies around any place where snapshots are: it fails at writing, is slow, and gives back damaged bytes.
 */
import { Effect } from "effect"
import type { RecoveryReport } from "../../../core/checkpoint/RecoveryReport.ts"
import type { StreamId } from "../../../core/protocol/Ids.ts"
import type { Time } from "../../../core/time/Time.ts"
import * as BlockStorage from "../../../runtime/storage/BlockStorage.ts"
import { snapshotOf } from "../../../runtime/storage/snapshots/snapshotNames.ts"
import type { SnapshotStorage } from "../../../runtime/storage/snapshots/snapshotStorage.ts"
import { StorageError } from "../../../runtime/storage/StableStorage.ts"
import type { Faults } from "../faults/Faults.ts"
import type { Observation } from "../invariants/Observation.ts"
import type { Chance } from "../kernel/Chance.ts"
import type { Node } from "../kernel/Node.ts"

export function slowDisk(chance: Chance, disk: BlockStorage.BlockStorage = BlockStorage.memory()) {
  const slowly = <A, E>(access: Effect.Effect<A, E>) =>
    Effect.suspend(() => Effect.andThen(Effect.sleep(chance.below(6)), access))
  return {
    write: (name: string, bytes: Uint8Array) => slowly(disk.write(name, bytes)),
    read: (name: string) => slowly(disk.read(name)),
    remove: (name: string) => slowly(disk.remove(name))
  }
}

export interface SnapshotFaultsOptions {
  readonly faults: Faults
  readonly observe: (node: Node, observation: Observation) => void
}

export class SnapshotFaults {
  private readonly options: SnapshotFaultsOptions
  /** By operator: its complete snapshots that the driver knows of, and those of which something was damaged. */
  private readonly complete = new Map<StreamId, Set<Time>>()
  private readonly damaged = new Map<StreamId, Set<Time>>()
  /** By operator: the newest version that another program made. */
  private readonly foreign = new Map<StreamId, Time>()

  constructor(options: SnapshotFaultsOptions) {
    this.options = options
  }

  /**
   * These a driver that recovered knows of, and no other. What another program made of its batches the new one would not make again: then
   * the newest is all there is.
   */
  recovered({ programChanged, snapshots }: Pick<RecoveryReport, "programChanged" | "snapshots">): void {
    this.complete.clear()
    for (const { operator, time } of snapshots) {
      if (programChanged) this.foreign.set(operator, Math.max(time, this.foreign.get(operator) ?? 0))
      this.completed(operator, time)
    }
  }

  completed(operator: StreamId, time: Time): void {
    this.complete.set(operator, (this.complete.get(operator) ?? new Set()).add(time))
  }

  /** A place as one node sees it; what is no snapshot is left alone. */
  around<S extends SnapshotStorage>(node: Node, storage: S): S {
    const { faults } = this.options
    const observe = (observation: Observation) => this.options.observe(node, observation)
    return {
      ...storage,
      create: (name: string, bytes: Uint8Array) =>
        Effect.gen({ self: this }, function* () {
          const snapshot = snapshotOf(name)
          if (snapshot === undefined) return yield* storage.create(name, bytes)
          faults.reached("crashInSnapshot", node)
          yield* Effect.sleep(faults.slowMillis("snapshotDelay"))
          if (faults.strikes("snapshotFailure")) {
            const message = `${name} could not be written (a simulated fault)`
            return yield* Effect.fail(new StorageError({ reason: "Unavailable", name, message }))
          }
          yield* storage.create(name, bytes)
          observe({ kind: "SnapshotWritten", ...snapshot, file: name })
        }),
      read: (name: string, ...range: []) =>
        Effect.map(storage.read(name, ...range), (bytes) => {
          const snapshot = snapshotOf(name)
          if (bytes === undefined || snapshot === undefined) return bytes
          const { operator, time } = snapshot
          if (!this.mayDamage(operator, time) || !faults.strikes("snapshotDamage")) return bytes
          this.damaged.set(operator, (this.damaged.get(operator) ?? new Set()).add(time))
          return bytes.slice(0, Math.floor(bytes.length / 2))
        }),
      remove: (name: string) =>
        Effect.suspend(() => {
          const snapshot = snapshotOf(name)
          if (snapshot !== undefined) observe({ kind: "SnapshotRemoved", ...snapshot, file: name })
          return storage.remove(name)
        })
    }
  }

  /** What is promised survives one damaged snapshot: the complete one before it has to be there, whole, and of this program. */
  private mayDamage(operator: StreamId, time: Time): boolean {
    const complete = [...this.complete.get(operator) ?? []].sort((a, b) => a - b)
    const before = complete.findLast((it) => it < time)
    if (before === undefined || time < complete.at(-1)! || before <= (this.foreign.get(operator) ?? 0)) return false
    return ![...this.damaged.get(operator) ?? []].some((it) => it >= before && it !== time)
  }
}
