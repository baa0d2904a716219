/**
 * The reference model of lineage: what the partitions of an RDD are, computed the slow and obvious way. It serves `transform`,
 * whose function makes an RDD of an RDD.
 */
import type { AnyRDD } from "../../core/rdd/RDD.ts"
import type { NarrowOp } from "../../core/rdd/NarrowOp.ts"
import { combineByKey, type Partitions, reduction, spreadByKey, spreadEvenly } from "./Partitions.ts"
import { runEffect } from "./runEffect.ts"

/** The partitions of an RDD whose sources are literals. */
export function partitionsOf(rdd: AnyRDD): Partitions {
  const { lineage } = rdd
  switch (lineage.kind) {
    case "literal":
      return lineage.partitions
    case "union":
      return lineage.parents.flatMap(partitionsOf)
    case "narrow":
      return partitionsOf(lineage.parent).map((records) => narrow(records, lineage.op))
    case "shuffled": {
      const parent = partitionsOf(lineage.parent)
      const { dependency } = lineage
      if (dependency.kind === "spread") return spreadEvenly(parent, dependency.numPartitions)
      return dependency.combiner === undefined
        ? spreadByKey(parent, dependency.partitioner)
        : combineByKey(parent, dependency.partitioner, dependency.combiner)
    }
    case "zipped": {
      const parents = lineage.parents.map(partitionsOf)
      return parents[0]!.map((_, i) => [...lineage.f(parents.map((partitions) => partitions[i]!))])
    }
    case "persisted":
      return partitionsOf(lineage.parent)
    case "input":
    case "reading":
      throw new Error("the model does not read inputs: give the records as a literal")
    case "state":
    case "stateView":
      throw new Error("the model keeps state by itself, not by its lineage")
  }
}

function narrow(records: ReadonlyArray<any>, op: NarrowOp): ReadonlyArray<any> {
  switch (op.kind) {
    case "map":
      return records.map((record) => op.f(record))
    case "filter":
      return records.filter((record) => op.f(record))
    case "flatMap":
      return records.flatMap((record) => [...op.f(record)])
    case "mapValues":
      return records.map(([key, value]) => [key, op.f(value)])
    case "flatMapValues":
      return records.flatMap(([key, value]) => [...op.f(value)].map((each) => [key, each]))
    case "mapPartitions":
      return [...op.f(records)]
    case "reducePartition":
      return reduction(records, op.f)
    case "countPartition":
      return [records.length]
    case "mapEffect":
      return records.map((record) => runEffect(op.f(record)))
  }
}
