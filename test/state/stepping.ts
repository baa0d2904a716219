/**
 * Stepping: programs with a state run by the book: the real graph and lineage, the real stores, and nothing of the engine between.
 */
import * as DStreamGraph from "../../core/dstream/DStreamGraph.ts"
import * as GeneratedRDDs from "../../core/dstream/GeneratedRDDs.ts"
import { DStream, RDD, StreamingApp } from "../../core/mod.ts"
import type { AnyRDD } from "../../core/rdd/RDD.ts"
import { partitionOf } from "../../core/rdd/Partitioner.ts"
import { fromLineage, parentsOf, sealed } from "../../core/rdd/RDD.ts"
import type { StateRDD } from "../../core/rdd/Stage.ts"
import type { StatePartition, StateSnapshot, StateStore, StepInput } from "../../core/state/StateStore.ts"
import { partitionsOf } from "../model/lineage.ts"

export const partition: StatePartition = { operator: "o", partition: 0, owns: () => true }

export const stepTo = (store: StateStore, time: number, records: StepInput["records"]): void => {
  for (const _ of store.step(time, [{ time, records }]));
}

export const readAll = (store: StateStore, time: number, view: "all" | "emitted" = "all"): Array<any> =>
  [
    ...store.read(time, view)
  ].flat()

/** The slots of a snapshot that are no tombstones: `[key, state, time]`. */
export const entriesOf = ({ pieces }: StateSnapshot): Array<[key: any, state: any, time: number]> =>
  [...pieces as Iterable<any>].flatMap(({ absent, keys, times, values }) =>
    keys === undefined
      ? []
      : keys.map((key: unknown, i: number) => [key, values[i], times[i]]).filter((_: unknown, i: number) =>
        !absent.includes(i)
      )
  )

/** A stream whose batches are these; null: no data set; after the last one batches are empty. */
export const source = <A>(batches: ReadonlyArray<ReadonlyArray<A> | null>, partitions = 2): DStream.DStream<A> =>
  DStream.make({
    kind: "source",
    parents: [],
    compute: ({ batchMillis, time }) => {
      const batch = batches[time / batchMillis - 1]
      return batch === null ? undefined : RDD.of(batch ?? [], partitions)
    }
  })

export const graphOf = (batchMillis: number, streams: ReadonlyArray<DStream.AnyDStream>) =>
  DStreamGraph.make(StreamingApp.make({
    name: "state",
    batchDuration: batchMillis,
    outputs: streams.map((stream, i) => stream.pipe(DStream.print(10, { name: `out${i}` })))
  }))

/** For each stream, for each batch, its records; undefined: no data set. */
export const run = (
  streams: ReadonlyArray<DStream.AnyDStream>,
  { batches, batchMillis = 1000 }: { readonly batches: number; readonly batchMillis?: number }
): ReadonlyArray<ReadonlyArray<ReadonlyArray<any> | undefined>> => {
  const graph = graphOf(batchMillis, streams)
  const lineage = GeneratedRDDs.make(graph, { defaultParallelism: 2 })
  const stores = new Map<string, StateStore>()

  const taken = (rdd: StateRDD, partition: number): StateStore => {
    const { identity: { operator, time }, lineage: { definition, inputs, inputTimes, partitioner } } = rdd
    const name = `${partition}/${operator}`
    const owns = (key: unknown) => partitionOf(partitioner, key) === partition
    const store = stores.get(name) ?? definition.make({ operator, partition, owns })
    stores.set(name, store)
    if (store.holds(time)) return store
    const records = inputs.map((input) => partitionsOf(withoutState(input))[partition] as StepInput["records"])
    for (const _ of store.step(time, records.map((each, i) => ({ time: inputTimes[i]!, records: each }))));
    return store
  }

  /** The lineage with every view of a state replaced by what it shows. */
  const withoutState = (rdd: AnyRDD): AnyRDD => {
    if (rdd.lineage.kind !== "stateView") return sealed(rdd, parentsOf(rdd).map(withoutState), rdd.identity!)
    const { parent, view } = rdd.lineage
    const time = (parent as StateRDD).identity.time
    const partitions = Array.from(
      { length: rdd.numPartitions },
      (_, i) => readAll(taken(parent as StateRDD, i), time, view)
    )
    return fromLineage({ kind: "literal", partitions })
  }

  return graph.outputs.map(({ stream }) => stream).map((stream) =>
    Array.from({ length: batches }, (_, i) => {
      const time = (i + 1) * batchMillis
      lineage.addPlan({ time, zeroTime: 0, inputs: [], sideValues: [] })
      const rdd = lineage.getOrCompute(stream, time)
      return rdd && partitionsOf(withoutState(rdd)).flat()
    })
  )
}
