/**
 * Operations on data sets: what the vocabulary allows inside `transform`, and the functions of several data sets.
 */
import { RDD } from "../../../core/mod.ts"
import { type Json, known, onlyFields } from "../Vector.ts"
import { elementFunction, reduction } from "./functions.ts"

type DataSet = RDD.RDD<any>
type Build = (op: Json) => (rdd: DataSet) => DataSet

interface DataSetOp {
  readonly fields: ReadonlyArray<string>
  readonly build: Build
}

const op = (fields: ReadonlyArray<string>, build: Build): DataSetOp => ({ fields: ["op", ...fields], build })

const ofFunction = (make: (f: (value: Json) => Json) => (rdd: DataSet) => DataSet) =>
  op(["fn", "arg"], ({ fn, arg }) => make(elementFunction(fn, arg)))

const dataSetOps: Readonly<Record<string, DataSetOp>> = {
  combineByKey: op(
    ["create", "mergeValue", "mergeCombiners", "partitions"],
    ({ create, mergeValue, mergeCombiners, partitions: numPartitions }) =>
      RDD.combineByKey(elementFunction(create), reduction(mergeValue), reduction(mergeCombiners), { numPartitions })
  ),
  count: op([], () => RDD.count),
  countByValue: op(["partitions"], ({ partitions: numPartitions }) => RDD.countByValue({ numPartitions })),
  filter: ofFunction(RDD.filter),
  flatMap: ofFunction(RDD.flatMap),
  flatMapValues: ofFunction(RDD.flatMapValues),
  glom: op([], () => RDD.glom),
  groupByKey: op(["partitions"], ({ partitions: numPartitions }) => RDD.groupByKey({ numPartitions })),
  map: ofFunction(RDD.map),
  mapPartitions: ofFunction(RDD.mapPartitions),
  mapValues: ofFunction(RDD.mapValues),
  reduce: op(["reduce"], ({ reduce }) => RDD.reduce(reduction(reduce))),
  reduceByKey: op(
    ["reduce", "partitions"],
    ({ reduce, partitions: numPartitions }) => RDD.reduceByKey(reduction(reduce), { numPartitions })
  ),
  repartition: op(["partitions"], ({ partitions }) => RDD.repartition(partitions)),
  saveTo: op(["name"], () => {
    throw new Error("inside a transform a data set is transformed, not saved: an output does that")
  }),
  sortByKey: op([], () => RDD.sortByKey())
}

/** Every name that `applyDataSetOps` knows. */
export const dataSetOperationNames: ReadonlyArray<string> = Object.keys(dataSetOps)

export const applyDataSetOps = (ops: ReadonlyArray<Json>) => {
  const steps = ops.map((entry) => {
    const { fields, build } = known("operation in transform", dataSetOps, entry.op)
    onlyFields(`operation ${entry.op}`, entry, fields)
    return build(entry)
  })
  return (rdd: DataSet): DataSet => steps.reduce((made, step) => step(made), rdd)
}

const toSelfPair = (x: Json): Json => [x, x]

const functionsOfSeveral: Readonly<Record<string, (...rdds: ReadonlyArray<DataSet>) => DataSet>> = {
  join: (left, right) => RDD.join(right)(left),
  union: (...rdds) => RDD.unionAll(rdds),
  unionFirstTwoAsSelfPairsJoinThird: (first, second, third) =>
    RDD.join(third)(RDD.unionAll([first!, second!]).pipe(RDD.map(toSelfPair)))
}

export const functionOfSeveral = (name: string) => known("function of data sets", functionsOfSeveral, name)

export const namesOfFunctionsOfSeveral: ReadonlyArray<string> = Object.keys(functionsOfSeveral)
