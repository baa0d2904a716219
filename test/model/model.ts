/**
 * The reference model: a DStream is a function from batch time to an optional data set, a list of partitions.
 *
 * It interprets the same program values as the engine, by the kind and the parameters of each operator, and shares with it only
 * the user's functions and the partitioner. What stands in a batch's inputs, and its side values, it is told. A world is taken to
 * say always the same: what was computed of it once is known.
 */
import type { AnyDStream } from "../../core/dstream/DStream.ts"
import type { AnyRDD } from "../../core/rdd/RDD.ts"
import * as RDD from "../../core/rdd/RDD.ts"
import type { Time } from "../../core/time/Time.ts"
import { isJoin, joined } from "./joins.ts"
import { partitionsOf } from "./lineage.ts"
import {
  type Combine,
  combineByKey,
  flat,
  type Partitions,
  reduction,
  spreadByKey,
  spreadEvenly
} from "./Partitions.ts"
import { runEffect } from "./runEffect.ts"
import { type Version, versionOf } from "./states.ts"
import { groupedWindow, inverseVersion, reducedWindow, windowed } from "./windows.ts"
import { type ModelWorld, partitionerOf, timesOf, type View } from "./World.ts"

export type { ModelWorld } from "./World.ts"

/** The partitions of a stream's data set at a batch time; undefined: it has none. */
export const batchOf = (stream: AnyDStream, time: Time, world: ModelWorld): Partitions | undefined =>
  remembered(world, `batch ${time}`, stream, () => {
    if (world.batches !== undefined && !timesOf(stream, world.batches).includes(time)) return undefined
    if (stream.input !== undefined) return world.input(stream, time)
    return computed(viewOf(stream, time, world))
  })

const known = new WeakMap<ModelWorld, Map<string, Map<AnyDStream, unknown>>>()

const remembered = <A>(world: ModelWorld, what: string, stream: AnyDStream, compute: () => A): A => {
  const all = known.get(world) ?? new Map<string, Map<AnyDStream, unknown>>()
  known.set(world, all)
  const answers = all.get(what) ?? new Map<AnyDStream, unknown>()
  all.set(what, answers)
  if (!answers.has(stream)) answers.set(stream, compute())
  return answers.get(stream) as A
}

const viewOf = (stream: AnyDStream, time: Time, world: ModelWorld): View => ({
  stream,
  time,
  world,
  parent: (index, at = time) => batchOf(stream.parents[index]!, at, world)
})

/** What a stateful stream keeps after a batch. */
const versionAt = (stream: AnyDStream, time: Time, world: ModelWorld): Version =>
  remembered(world, `version ${time}`, stream, () => {
    const view = viewOf(stream, time, world)
    const before = (previous: Time) => versionAt(stream, previous, world)
    return stream.kind === "reduceByKeyAndWindow" ? inverseVersion(view, before) : versionOf(view, before)
  })

/** Operators that have a data set whether or not their parent has one at this time. */
const lookingBack: Record<string, (view: View) => Partitions | undefined> = {
  window: windowed,
  groupByKeyAndWindow: groupedWindow,
  reduceByKeyAndWindow: (view) =>
    view.stream.params["inverse"] === undefined
      ? reducedWindow(view)
      : versionAt(view.stream, view.time, view.world).states,
  updateStateByKey: ({ stream, time, world }) => versionAt(stream, time, world).states,
  updateStateByPartition: ({ stream, time, world }) => versionAt(stream, time, world).states,
  mapWithState: ({ stream, time, world }) => versionAt(stream, time, world).emitted,
  stateSnapshots: ({ stream, time, world }) => versionAt(stream.parents[0]!, time, world).states
}

function computed(view: View): Partitions | undefined {
  const { stream, time, world } = view
  if (Object.hasOwn(lookingBack, stream.kind)) return lookingBack[stream.kind]!(view)
  const parents = stream.parents.map((_, index) => view.parent(index))
  const present = parents.filter((parent) => parent !== undefined)
  if (present.length < parents.length) {
    if (parents.length === 1 && !stream.kind.startsWith("transform")) return undefined
    throw new Error(`${stream.kind} needs a data set from each of its parents`)
  }
  if (stream.kind === "union") return present.flat(1)
  if (stream.kind.startsWith("transform")) return transformed(stream, present, time, world)
  if (isJoin(stream.kind)) return joined(stream.kind, present[0]!, present[1]!, partitionerOf(view))
  return interpret(view, present[0]!)
}

/** All records of a stream's data set at a batch time. */
export const recordsOf = (stream: AnyDStream, time: Time, world: ModelWorld): ReadonlyArray<unknown> | undefined => {
  const partitions = batchOf(stream, time, world)
  return partitions && flat(partitions)
}

interface Params {
  readonly f: (...values: Array<any>) => any
  readonly create: Combine["create"]
  readonly mergeValue: Combine["mergeValue"]
  readonly mergeCombiners: Combine["mergeCombiners"]
  readonly numPartitions: number
  readonly options: { mapSideCombine?: boolean } | undefined
}

function interpret(view: View, parent: Partitions): Partitions {
  const { stream } = view
  const params = stream.params as unknown as Params
  const { f, options } = params
  const each = (change: (records: ReadonlyArray<any>) => ReadonlyArray<any>): Partitions => parent.map(change)
  const byKey = (pairs: Partitions, combine: Combine) => combineByKey(pairs, partitionerOf(view), combine)
  switch (stream.kind) {
    case "map":
    case "mapToPair":
      return each((records) => records.map((record) => f(record)))
    case "flatMap":
      return each((records) => records.flatMap((record) => [...f(record)]))
    case "filter":
      return each((records) => records.filter((record) => f(record)))
    case "mapValues":
      return each((records) => records.map(([key, value]) => [key, f(value)]))
    case "flatMapValues":
      return each((records) => records.flatMap(([key, value]) => [...f(value)].map((item) => [key, item])))
    case "mapPartitions":
      return each((records) => [...f(records)])
    case "glom":
      return each((records) => [records])
    case "mapEffect":
      return each((records) => records.map((record) => runEffect(f(record))))
    case "repartition":
      return spreadEvenly(parent, params.numPartitions)
    case "reduceByKey":
      return byKey(parent, { create: (value) => value, mergeValue: f, mergeCombiners: f, mapSide: true })
    case "combineByKey":
      return byKey(parent, { ...params, mapSide: options?.mapSideCombine ?? true })
    case "groupByKey":
      return byKey(parent, grouping)
    case "countByValue":
      return byKey(parent.map((records) => records.map((record) => [record, 1])), counting)
    case "count":
      return [[flat(parent).length]]
    case "reduce":
      return [reduction(flat(parent), f)]
    case "partitionBy":
      return spreadByKey(parent, partitionerOf(view))
    case "persist":
      return parent
    default:
      throw new Error(`The model does not know the operator "${stream.kind}": add it to test/model/model.ts`)
  }
}

const grouping: Combine = {
  create: (value) => [value],
  mergeValue: (values, value) => [...values, value],
  mergeCombiners: (a, b) => [...a, ...b],
  mapSide: false
}

const counting: Combine = {
  create: (value) => value,
  mergeValue: (a, b) => a + b,
  mergeCombiners: (a, b) => a + b,
  mapSide: true
}

function transformed(
  stream: AnyDStream,
  parents: ReadonlyArray<Partitions>,
  time: Time,
  world: ModelWorld
): Partitions {
  const sideValues = Object.fromEntries(
    Object.keys(stream.sideValues).map((key) => [key, world.sideValue?.(stream, key, time)])
  )
  const f = stream.params["f"] as (...values: ReadonlyArray<unknown>) => AnyRDD
  const rdds = parents.map((partitions) => RDD.fromLineage({ kind: "literal", partitions }))
  const batch = { time, sideValues }
  return partitionsOf(stream.kind === "transformAll" ? f(rdds, batch) : f(...rdds, batch))
}
