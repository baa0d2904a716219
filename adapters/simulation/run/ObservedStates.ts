/**
 * ObservedStates: what the stores of a program's states do on an executor, as observations. The stores are the engine's own; around
 * each lies one that tells, and changes nothing.
 */
import * as DStreamGraph from "../../../core/dstream/DStreamGraph.ts"
import type { AnyDStream } from "../../../core/dstream/DStream.ts"
import type { AnyStreamingApp } from "../../../core/dstream/StreamingApp.ts"
import { digest } from "../../../core/protocol/Digest.ts"
import type { ExecutorId } from "../../../core/protocol/Ids.ts"
import * as RDD from "../../../core/rdd/RDD.ts"
import type { StateDefinition, StatePartition, StateStore } from "../../../core/state/StateStore.ts"
import type { Observation } from "../invariants/Observation.ts"
import { canonical } from "../kernel/EventLog.ts"

export interface StateObserver {
  readonly executor: ExecutorId
  readonly observe: (observation: Observation) => void
  /** A number that no store had before. */
  readonly nextStore: () => number
}

/** From now on the stores of the app's states are observed. */
export const observeStates = (app: AnyStreamingApp, observer: StateObserver): void => {
  for (const { stream } of DStreamGraph.make(app).nodes) {
    if (stream.stateful === undefined) continue
    const { compute } = stream
    const observed: AnyDStream["compute"] = (context) => {
      const view = compute.call(stream, context)
      if (view?.lineage.kind !== "stateView" || view.lineage.parent.lineage.kind !== "state") return view
      const { definition } = view.lineage.parent.lineage
      const parent = RDD.fromLineage({
        ...view.lineage.parent.lineage,
        definition: observedDefinition(definition, observer)
      })
      return RDD.fromLineage({ ...view.lineage, parent }, { partitioner: view.partitioner })
    }
    Object.assign(stream, { compute: observed })
  }
}

const observedDefinition = (definition: StateDefinition, observer: StateObserver): StateDefinition => ({
  kind: definition.kind,
  make: (partition) => observedStore(definition.make(partition), partition, observer)
})

const observedStore = (
  store: StateStore,
  { operator, partition }: StatePartition,
  { executor, nextStore, observe }: StateObserver
): StateStore => {
  const where = { executor, operator, partition, store: nextStore() }
  let versions: ReadonlyArray<number> = []
  return {
    get version() {
      return store.version
    },
    get size() {
      return store.size
    },
    holds: (version) => store.holds(version),
    *step(time, inputs) {
      const from = store.version
      yield* store.step(time, inputs)
      versions = [...versions, time]
      observe({ kind: "StateStepped", ...where, from, to: time })
    },
    read: (version, view) => {
      const records = Array.from(store.read(version, view)).flat(1)
      observe({ kind: "StateRead", ...where, version, view, shown: digest(canonical(records)) })
      return [records]
    },
    forgetBefore: (before) => {
      store.forgetBefore(before)
      versions = versions.filter((version) => store.holds(version))
      observe({ kind: "StateForgot", ...where, before, held: versions })
    },
    snapshot: (base) => store.snapshot(base),
    restore: (time, pieces) => {
      store.restore(time, pieces)
      versions = [time]
      observe({ kind: "StateRestored", ...where, version: time })
    }
  }
}
