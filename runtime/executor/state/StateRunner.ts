/**
 * StateRunner: the states of an executor: one `StateStore` per operator and partition, and the steps that take them on.
 *
 * | asked for version t, and here is | what happens |
 * | --- | --- |
 * | t | it is done already |
 * | any other, or none; there is a snapshot of t | a new store is restored from its files |
 * | the version before t, as the newest | the step is taken: all of it, or nothing where a user's function throws |
 * | any other, or none; t is the first | a new store with the initial state takes the step |
 * | any other, or none | FetchFailed of the version before: the driver has it made here first |
 *
 * After a loss versions may be asked for that are older than those that were restored first, say by a window over a state, or
 * where several batches are run again at once: then a partition has more than one store, until all that may be asked for can be
 * had of the newer ones.
 *
 * A step gives way between slices; readers of earlier versions are answered meanwhile. Where the driver says so, a snapshot is
 * captured after the step and written aside. Source: Spark's `StateDStream` and `MapWithStateRDD`.
 */
import { Effect } from "effect"
import type { PartitionIndex, RddId } from "../../../core/protocol/Ids.ts"
import { partitionOf } from "../../../core/rdd/Partitioner.ts"
import * as RddIds from "../../../core/rdd/RddId.ts"
import type { StateRDD } from "../../../core/rdd/Stage.ts"
import { StateRefused } from "../../../core/state/snapshots/StateRefused.ts"
import type { SnapshotFiles } from "../../../core/state/SnapshotTracker.ts"
import type { StateStore, StateView, StepInput } from "../../../core/state/StateStore.ts"
import type { Time } from "../../../core/time/Time.ts"
import type { Pace } from "../Pace.ts"
import { failed, messageOf, TaskFault } from "../TaskFault.ts"
import type { StateSnapshots, StateVersion } from "./StateSnapshots.ts"

export interface StateTask {
  readonly state: StateRDD
  readonly partition: PartitionIndex
  /** The files of a snapshot of this version; undefined: it is made by a step. */
  readonly restore: SnapshotFiles | undefined
  /** A snapshot of it shall be taken. */
  readonly snapshot: boolean
  readonly inputs: Effect.Effect<ReadonlyArray<StepInput>, TaskFault>
  readonly pace: Pace
}

export interface StateCounts {
  readonly stores: number
  readonly keys: number
}

export interface StateRunner {
  /** Has the version here; how many keys it has. */
  readonly step: (task: StateTask) => Effect.Effect<number, TaskFault>
  /** What a version shows, in chunks; undefined: it is not here. */
  readonly read: (
    state: StateRDD,
    partition: PartitionIndex,
    view: StateView
  ) => Iterable<ReadonlyArray<unknown>> | undefined
  /** Takes a snapshot of each partition whose newest version here is this one; `derive` is asked only if there is one. */
  readonly capture: (state: RddId, derive: () => StateRDD) => void
  /** Drops a partition that another executor will hold; unknown ones are no matter. */
  readonly release: (operator: string, partition: PartitionIndex) => void
  /** Versions before the operator's own time are not asked for any more. */
  readonly forgetBefore: (timeOf: (operator: string) => Time) => void
  readonly counts: () => StateCounts
}

/** The stores of one partition, at least one, each with the first version that it had. */
interface Held {
  readonly operator: string
  readonly partition: PartitionIndex
  readonly stores: ReadonlyArray<{ readonly store: StateStore; readonly first: Time }>
}

export const make = (executor: string, snapshots: StateSnapshots): StateRunner => {
  const held = new Map<string, Held>()
  const keyOf = (operator: string, partition: PartitionIndex) => `${partition}/${operator}`

  const fresh = (
    { identity: { operator }, lineage: { definition, partitioner } }: StateRDD,
    partition: PartitionIndex
  ) => definition.make({ operator, partition, owns: (key) => partitionOf(partitioner, key) === partition })

  const storesOf = ({ identity: { operator } }: StateRDD, partition: PartitionIndex) =>
    held.get(keyOf(operator, partition))?.stores ?? []

  const storeThat = (state: StateRDD, partition: PartitionIndex, is: (store: StateStore) => boolean) =>
    storesOf(state, partition).find(({ store }) => is(store))?.store

  const hold = (state: StateRDD, partition: PartitionIndex, store: StateStore) => {
    const { operator, time: first } = state.identity
    const stores = [...storesOf(state, partition), { store, first }]
    held.set(keyOf(operator, partition), { operator, partition, stores })
    return store
  }

  const missing = (shuffle: RddId, mapPartition: PartitionIndex, reason: string) =>
    new TaskFault({ kind: "FetchFailed", shuffle, mapPartition, executor, reason })

  const restored = Effect.fnUntraced(function* ({ partition, pace, state }: StateTask, files: SnapshotFiles) {
    const { id, operator } = state.identity
    const store = fresh(state, partition)
    yield* Effect.mapError(
      snapshots.restore(versionOf(state, partition), files, store),
      (error) =>
        error instanceof StateRefused
          ? failed({ operator, partition }, error)
          : missing(id, partition, `its snapshot cannot be restored: ${messageOf(error)}`)
    )
    if (pace.isDue()) yield* pace.giveWay
    return hold(state, partition, store)
  })

  const advance = Effect.fnUntraced(function* (store: StateStore, { inputs, pace, partition, state }: StateTask) {
    const { operator, time } = state.identity
    const steps = store.step(time, yield* inputs)
    yield* Effect.gen(function* () {
      while (yield* advanced(steps, operator, partition)) if (pace.isDue()) yield* pace.giveWay
    }).pipe(Effect.ensuring(Effect.sync(() => steps.return())))
  })

  const step = Effect.fnUntraced(function* (task: StateTask): Effect.fn.Return<number, TaskFault> {
    const { partition, state } = task
    const { identity: { time }, lineage: { previous } } = state
    const there = storeThat(state, partition, (store) => store.holds(time))
    if (there !== undefined) return there.size
    if (task.restore !== undefined) return (yield* restored(task, task.restore)).size
    const store = previous === undefined
      ? fresh(state, partition)
      : storeThat(state, partition, ({ version }) => version === RddIds.timeOf(previous))
    if (store === undefined) {
      const here = storesOf(state, partition).map(({ store }) => `version ${store.version} ms`).join(", ") || "none"
      return yield* Effect.fail(missing(previous!, partition, `it holds ${here} of this state`))
    }
    yield* advance(store, task)
    if (previous === undefined) hold(state, partition, store)
    if (task.snapshot) snapshots.write(versionOf(state, partition), store)
    return store.size
  })

  return {
    step,
    read: (state, partition, view) => {
      const { time } = state.identity
      return storeThat(state, partition, (store) => store.holds(time))?.read(time, view)
    },
    capture: (state, derive) => {
      const { stream, time } = RddIds.parse(state)
      for (const { operator, partition, stores } of held.values()) {
        const found = operator === stream ? stores.find(({ store }) => store.version === time) : undefined
        if (found !== undefined) snapshots.write(versionOf(derive(), partition), found.store)
      }
    },
    release: (operator, partition) => void held.delete(keyOf(operator, partition)),
    forgetBefore: (timeFor) => {
      for (const [key, { operator, partition, stores }] of held) {
        const time = timeFor(operator)
        // Of one that is behind there may still be a step to come, or under way, to a version that no newer one has.
        const newerHas = (version: Time) => stores.some(({ first, store }) => store.version! > version && first <= time)
        const kept = stores.filter(({ store }) => store.version! >= time || !newerHas(store.version!))
        for (const { store } of kept) store.forgetBefore(time)
        held.set(key, { operator, partition, stores: kept })
      }
    },
    counts: () => {
      const stores = Array.from(held.values(), ({ stores }) => stores).flat(1)
      return { stores: stores.length, keys: stores.reduce((sum, { store }) => sum + store.size, 0) }
    }
  }
}

const versionOf = ({ identity, numPartitions }: StateRDD, partition: PartitionIndex): StateVersion => ({
  state: identity.id,
  operator: identity.operator,
  partition,
  partitions: numPartitions,
  time: identity.time
})

/** Takes a step a slice further; false: it is at its end. */
const advanced = (steps: Generator<void, void>, operator: string, partition: PartitionIndex) =>
  Effect.try({ try: () => steps.next().done !== true, catch: (error) => failed({ operator, partition }, error) })
