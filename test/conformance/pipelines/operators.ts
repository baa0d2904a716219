/**
 * The operations of the vocabulary, by name: each is the operator of the `DStream` namespace that a user would write.
 */
import { DStream, StateSpec } from "../../../core/mod.ts"
import { type Json, known, onlyFields, UnknownWord } from "../Vector.ts"
import { applyDataSetOps, functionOfSeveral } from "./dataSets.ts"
import { elementFunction, mapping, reduction, update } from "./functions.ts"

export type Stream = DStream.DStream<any, any, never>

/** What an operation may need besides its own stream. */
export interface Source {
  /** The stream that an operation names: a stream of the inputs, with operations of its own. */
  readonly other: (named: Json) => Stream
}

/** Types are those of the vector's data: unknown here. */
type Build = (op: Json, source: Source) => (stream: any) => any

interface Operation {
  readonly fields: ReadonlyArray<string>
  readonly build: Build
}

const op = (fields: ReadonlyArray<string>, build: Build): Operation => ({ fields: ["op", ...fields], build })

const ofFunction = (make: (f: (value: Json) => Json) => any) =>
  op(["fn", "arg"], ({ fn, arg }) => make(elementFunction(fn, arg)))

const spread = ({ partitions: numPartitions }: Json) => ({ numPartitions })

const withOther = (make: (other: Stream, options: DStream.ShuffleOptions) => any) =>
  op(["with", "partitions"], (entry, { other }) => make(other(entry.with), spread(entry)))

const windowFields = ["windowMs", "slideMs"]

const inverseOf = ({ inverse }: Json) => inverse === undefined ? undefined : reduction(inverse)

const stateless: Readonly<Record<string, Operation>> = {
  combineByKey: op(["create", "mergeValue", "mergeCombiners", "partitions"], (entry) =>
    DStream.combineByKey(
      elementFunction(entry.create),
      reduction(entry.mergeValue),
      reduction(entry.mergeCombiners),
      spread(entry)
    )),
  count: op([], () => DStream.count),
  countByValue: op(["partitions"], (entry) => DStream.countByValue(spread(entry))),
  filter: ofFunction(DStream.filter),
  flatMap: ofFunction(DStream.flatMap),
  flatMapValues: ofFunction(DStream.flatMapValues),
  glom: op([], () => DStream.glom),
  groupByKey: op(["partitions"], (entry) => DStream.groupByKey(spread(entry))),
  map: ofFunction(DStream.map),
  mapPartitions: ofFunction(DStream.mapPartitions),
  mapValues: ofFunction(DStream.mapValues),
  reduce: op(["reduce"], ({ reduce }) => DStream.reduce(reduction(reduce))),
  reduceByKey: op(["reduce", "partitions"], (entry) => DStream.reduceByKey(reduction(entry.reduce), spread(entry))),
  repartition: op(["partitions"], ({ partitions }) => DStream.repartition(partitions)),
  // What is saved is an output beside the stream: see `build`.
  saveFiles: op(["prefix", "suffix"], () => (stream) => stream),
  sortByKey: op([], () => DStream.transform(applyDataSetOps([{ op: "sortByKey" }]))),
  transform: op(["ops", "returns"], ({ ops, returns }) => {
    if (returns === undefined) return DStream.transform(applyDataSetOps(ops))
    if (returns !== "null") throw new UnknownWord("result of transform", returns)
    return DStream.transform(() => null as never)
  })
}

const ofSeveral: Readonly<Record<string, Operation>> = {
  cogroup: withOther(DStream.cogroup),
  fullOuterJoin: withOther(DStream.fullOuterJoin),
  join: withOther(DStream.join),
  leftOuterJoin: withOther(DStream.leftOuterJoin),
  rightOuterJoin: withOther(DStream.rightOuterJoin),
  transformAll: op(["of", "apply"], ({ of, apply }, { other }) => () => {
    const f = functionOfSeveral(apply)
    return DStream.transformAll(of.map(other), (rdds: Json) => f(...rdds))
  }),
  transformWith: op(["with", "apply"], (entry, { other }) => {
    const f = functionOfSeveral(entry.apply)
    return DStream.transformWith(other(entry.with), (left: Json, right: Json) => f(left, right))
  }),
  union: op(["with"], (entry, { other }) => DStream.union(other(entry.with))),
  unionAll: op(["of"], ({ of }, { other }) => () => DStream.unionAll(of.map(other)))
}

const windows: Readonly<Record<string, Operation>> = {
  countByValueAndWindow: op(
    [...windowFields, "partitions"],
    (entry) => DStream.countByValueAndWindow(entry.windowMs, entry.slideMs, spread(entry))
  ),
  countByWindow: op(windowFields, ({ windowMs, slideMs }) => DStream.countByWindow(windowMs, slideMs)),
  groupByKeyAndWindow: op(
    [...windowFields, "partitions"],
    (entry) => DStream.groupByKeyAndWindow(entry.windowMs, entry.slideMs, spread(entry))
  ),
  reduceByKeyAndWindow: op(["reduce", "inverse", "filter", "partitions", ...windowFields], (entry) => {
    const filter = entry.filter === undefined ? undefined : elementFunction(entry.filter)
    return DStream.reduceByKeyAndWindow(reduction(entry.reduce), entry.windowMs, entry.slideMs, {
      ...spread(entry),
      inverse: inverseOf(entry),
      filter
    })
  }),
  reduceByWindow: op(["reduce", "inverse", ...windowFields], (entry) =>
    DStream.reduceByWindow(
      reduction(entry.reduce),
      entry.windowMs,
      entry.slideMs,
      { inverse: inverseOf(entry) }
    )),
  window: op(windowFields, ({ windowMs, slideMs }) => DStream.window(windowMs, slideMs))
}

const specOf = (entry: Json) => {
  let spec: Json = StateSpec.make(mapping(entry.mapping))
  if (entry.timeoutMs !== undefined) spec = spec.pipe(StateSpec.timeout(entry.timeoutMs))
  if (entry.initial !== undefined) spec = spec.pipe(StateSpec.initialState(entry.initial))
  if (entry.partitions !== undefined) spec = spec.pipe(StateSpec.numPartitions(entry.partitions))
  return spec
}

/** The states behind a stream that mapWithState made. */
export const snapshotsOf = (stream: Stream): Stream => DStream.stateSnapshots(stream as any)

const states: Readonly<Record<string, Operation>> = {
  mapWithState: op(["mapping", "timeoutMs", "initial", "partitions", "output"], (entry) => {
    if (![undefined, "snapshots"].includes(entry.output)) throw new UnknownWord("output of mapWithState", entry.output)
    return DStream.mapWithState(specOf(entry))
  }),
  updateStateByKey: op(
    ["update", "initial", "partitions", "checkpointMs"],
    (entry) =>
      DStream.updateStateByKey(update(entry.update), {
        ...spread(entry),
        initialState: entry.initial
      })
  )
}

const operations = { ...stateless, ...ofSeveral, ...windows, ...states }

/** Every name that `applyOps` knows. */
export const operationNames: ReadonlyArray<string> = Object.keys(operations)

/** `between` sees each stream that an operation makes, and may wrap it. */
export const applyOps = (
  ops: ReadonlyArray<Json>,
  source: Source,
  between: (stream: Stream, op: Json) => Stream = (stream) => stream
) =>
(start: Stream): Stream =>
  ops.reduce((stream: Stream, entry) => {
    const { fields, build } = known("operation", operations, entry.op)
    onlyFields(`operation ${entry.op}`, entry, fields)
    const made = between(build(entry, source)(stream), entry)
    return entry.output === "snapshots" ? snapshotsOf(made) : made
  }, start)
