/**
 * StateRunner: the states of an executor: one `StateStore` per operator and partition, and the steps that take them on.
 *
 * | asked for version t, and here is | what happens |
 * | --- | --- |
 * | t | it is done already |
 * | a later one, t not held | it was forgotten: the task fails, for nobody may ask for it any more |
 * | any other, or none; there is a snapshot of t | a new store is restored |
 * | t less a slide | the step is taken: all of it, or nothing where a user's function throws |
 * | none; t is the first | a new store with the initial state takes the step |
 * | any other, or none | FetchFailed of the version before: the driver has it made here first |
 *
 * A step gives way between slices; readers of earlier versions are answered meanwhile. Where the driver says so, a snapshot is
 * captured after the step and written aside. Source: Spark's `StateDStream` and `MapWithStateRDD`.
 */
import { Effect } from "effect"
import type { PartitionIndex, RddId } from "../../../core/protocol/Ids.ts"
import { partitionOf } from "../../../core/rdd/Partitioner.ts"
import { timeOf } from "../../../core/rdd/RddId.ts"
import type { StateRDD } from "../../../core/rdd/Stage.ts"
import type { StateStore, StateView, StepInput } from "../../../core/state/StateStore.ts"
import type { Time } from "../../../core/time/Time.ts"
import type { Pace } from "../Pace.ts"
import { failed, TaskFault } from "../TaskFault.ts"
import type { StateSnapshots } from "./StateSnapshots.ts"

export interface StateTask {
  readonly state: StateRDD
  readonly partition: PartitionIndex
  /** There is a snapshot of this version. */
  readonly restore: boolean
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
  /** Versions before the operator's own time are not asked for any more. */
  readonly forgetBefore: (timeOf: (operator: string) => Time) => void
  readonly counts: () => StateCounts
}

interface Held {
  readonly operator: string
  readonly store: StateStore
}

export const make = (executor: string, snapshots: StateSnapshots): StateRunner => {
  const stores = new Map<string, Held>()
  const keyOf = (operator: string, partition: PartitionIndex) => `${partition}/${operator}`

  const fresh = (
    { identity: { operator }, lineage: { definition, partitioner } }: StateRDD,
    partition: PartitionIndex
  ) => definition.make({ operator, partition, owns: (key) => partitionOf(partitioner, key) === partition })

  const hold = ({ identity: { operator } }: StateRDD, partition: PartitionIndex, store: StateStore) => {
    stores.set(keyOf(operator, partition), { operator, store })
    return store
  }

  const missing = (shuffle: RddId, mapPartition: PartitionIndex, reason: string) =>
    new TaskFault({ kind: "FetchFailed", shuffle, mapPartition, executor, reason })

  const restored = Effect.fnUntraced(function* ({ partition, pace, state }: StateTask) {
    const { id, operator, time } = state.identity
    const unreadable = (why: string) => missing(id, partition, `its snapshot cannot be restored: ${why}`)
    const pieces = yield* Effect.mapError(snapshots.read({ state: id, operator, partition, time }), unreadable)
    const store = fresh(state, partition)
    yield* Effect.try({ try: () => store.restore(time, pieces), catch: (error) => unreadable(String(error)) })
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
    const { identity: { id, operator, time }, lineage: { previous } } = state
    const known = stores.get(keyOf(operator, partition))?.store
    if (known?.holds(time)) return known.size
    if (known?.version !== undefined && known.version > time) {
      const message =
        `version ${time} ms of its state was forgotten, the newest is ${known.version} ms: remember it for longer`
      return yield* Effect.fail(failed({ operator, partition }, new Error(message)))
    }
    if (task.restore) return (yield* restored(task)).size
    if (previous === undefined) {
      const store = fresh(state, partition)
      yield* advance(store, task)
      hold(state, partition, store)
    } else if (known?.version === timeOf(previous)) yield* advance(known, task)
    else {
      const here = known?.version === undefined ? "none" : `version ${known.version} ms`
      return yield* Effect.fail(missing(previous, partition, `it holds ${here} of this state`))
    }
    const { store } = stores.get(keyOf(operator, partition))!
    if (task.snapshot) snapshots.write({ state: id, operator, partition, time }, store.snapshot())
    return store.size
  })

  return {
    step,
    read: ({ identity: { operator, time } }, partition, view) => {
      const store = stores.get(keyOf(operator, partition))?.store
      return store?.holds(time) ? store.read(time, view) : undefined
    },
    forgetBefore: (timeFor) => {
      for (const { operator, store } of stores.values()) store.forgetBefore(timeFor(operator))
    },
    counts: () => ({
      stores: stores.size,
      keys: Array.from(stores.values(), ({ store }) => store.size).reduce((sum, size) => sum + size, 0)
    })
  }
}

/** Takes a step a slice further; false: it is at its end. */
const advanced = (steps: Generator<void, void>, operator: string, partition: PartitionIndex) =>
  Effect.try({ try: () => steps.next().done !== true, catch: (error) => failed({ operator, partition }, error) })
