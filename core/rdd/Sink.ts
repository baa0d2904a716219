/**
 * Sink: where a fused loop puts the records of one partition, and what becomes of them.
 *
 * | sink | result |
 * | --- | --- |
 * | collect | the records |
 * | count | how many |
 * | take | the first `limit`; wants no more then |
 * | reduce | their reduction: one record, none of an empty partition |
 * | combine | map side of a shuffle with map-side combine: one block per reduce partition |
 * | columns | map side of a shuffle by key without it |
 * | spread | map side of a shuffle that goes round the reduce partitions |
 *
 * A sink is a description; `start` gives the state of one partition, which one loop owns. `accept` takes a record (`ClosureLoop`
 * calls it); `GeneratedLoop` does the same on the fields of the state, in code of its own, and only its `functions` are compiled
 * in. The last three give their blocks in the order in which keys (or records) first came, and ask the partitioner once per
 * distinct key where they combine.
 */
import { owned } from "./copyValue.ts"
import { KeyedMap } from "./KeyedMap.ts"
import { type Partitioner, partitionOf } from "./Partitioner.ts"
import type { PartitionIndex } from "../protocol/Ids.ts"
import type { Combiner, ShuffleBlock, ShuffleDependency } from "./ShuffleDependency.ts"

export type UserFunction = (...values: Array<any>) => unknown

export interface SinkState<out R> {
  /** Takes a record; false: it was the last that is wanted. */
  readonly accept: (record: any) => boolean
  /** No record is wanted, not even the first. */
  readonly full: boolean
  readonly finish: () => R
  /** Values that the user's functions have come to, if there are any by now; undefined: the sink calls none. */
  readonly samples?: () => ReadonlyArray<unknown>
}

export type SinkKind = "collect" | "count" | "take" | "reduce" | "combine" | "columns" | "spread"

export interface Sink<out R> {
  readonly kind: SinkKind
  /** The user's functions that the loop calls, and the operator that they belong to. */
  readonly functions: ReadonlyArray<UserFunction>
  readonly operator: string
  /** Its records have to be pairs. */
  readonly takesPairs?: boolean
  readonly start: () => SinkState<R>
}

class CollectState implements SinkState<ReadonlyArray<unknown>> {
  readonly full = false
  readonly out: Array<unknown> = []

  accept(record: unknown): boolean {
    this.out.push(record)
    return true
  }

  finish(): ReadonlyArray<unknown> {
    return this.out
  }
}

class CountState<R> implements SinkState<R> {
  readonly full = false
  readonly result: (count: number) => R
  count = 0

  constructor(result: (count: number) => R) {
    this.result = result
  }

  accept(_record: unknown): boolean {
    this.count++
    return true
  }

  finish(): R {
    return this.result(this.count)
  }
}

class TakeState implements SinkState<ReadonlyArray<unknown>> {
  readonly full: boolean
  readonly limit: number
  readonly out: Array<unknown> = []

  constructor(limit: number) {
    this.limit = limit
    this.full = limit <= 0
  }

  accept(record: unknown): boolean {
    return this.out.push(record) < this.limit
  }

  finish(): ReadonlyArray<unknown> {
    return this.out
  }
}

class ReduceState implements SinkState<ReadonlyArray<unknown>> {
  readonly full = false
  readonly reduce: UserFunction
  present = false
  value: unknown = undefined

  constructor(reduce: UserFunction) {
    this.reduce = reduce
  }

  accept(record: unknown): boolean {
    this.value = this.present ? this.reduce(this.value, record) : owned(record, record)
    this.present = true
    return true
  }

  finish(): ReadonlyArray<unknown> {
    return this.present ? [this.value] : []
  }

  samples(): ReadonlyArray<unknown> {
    return [this.value]
  }
}

/** Keys and values, or records (`keys` stays empty), of one reduce partition. */
class Column {
  readonly keys: Array<unknown> = []
  readonly values: Array<unknown> = []
}

const columnsOf = (count: number): ReadonlyArray<Column> => Array.from({ length: count }, () => new Column())

const pairBlocks = (columns: ReadonlyArray<Column>): ReadonlyArray<ShuffleBlock> =>
  columns.map(({ keys, values }) => ({ kind: "pairs", keys, values }))

class CombineState implements SinkState<ReadonlyArray<ShuffleBlock>> {
  readonly full = false
  readonly partitioner: Partitioner
  readonly combiner: Combiner
  readonly map = new KeyedMap()
  readonly values: Array<unknown> = []
  /** What was created last. */
  created: unknown = undefined
  /** The slot of a value that was merged, the last of a push. */
  merged = 0

  constructor(partitioner: Partitioner, combiner: Combiner) {
    this.partitioner = partitioner
    this.combiner = combiner
  }

  accept(record: readonly [unknown, unknown]): boolean {
    const key = record[0]
    const value = record[1]
    const slot = this.map.slotOf(key)
    if (slot === this.values.length) this.values.push(this.created = owned(this.combiner.create(value), value))
    else this.values[this.merged = slot] = this.combiner.mergeValue(this.values[slot], value)
    return true
  }

  finish(): ReadonlyArray<ShuffleBlock> {
    const { keys } = this.map
    const columns = columnsOf(this.partitioner.numPartitions)
    for (let slot = 0; slot < keys.length; slot++) {
      const column = columns[partitionOf(this.partitioner, keys[slot])]!
      column.keys.push(keys[slot])
      column.values.push(this.values[slot])
    }
    return pairBlocks(columns)
  }

  samples(): ReadonlyArray<unknown> {
    return [this.created, this.values[this.merged]]
  }
}

class ColumnsState implements SinkState<ReadonlyArray<ShuffleBlock>> {
  readonly full = false
  readonly partitioner: Partitioner
  readonly columns: ReadonlyArray<Column>

  constructor(partitioner: Partitioner) {
    this.partitioner = partitioner
    this.columns = columnsOf(partitioner.numPartitions)
  }

  accept(record: readonly [unknown, unknown]): boolean {
    const key = record[0]
    const value = record[1]
    const column = this.columns[partitionOf(this.partitioner, key)]!
    column.keys.push(key)
    column.values.push(value)
    return true
  }

  finish(): ReadonlyArray<ShuffleBlock> {
    return pairBlocks(this.columns)
  }
}

class SpreadState implements SinkState<ReadonlyArray<ShuffleBlock>> {
  readonly full = false
  readonly columns: ReadonlyArray<Column>
  next: number

  constructor(numPartitions: number, mapPartition: PartitionIndex) {
    this.columns = columnsOf(numPartitions)
    this.next = mapPartition % numPartitions
  }

  accept(record: unknown): boolean {
    this.columns[this.next]!.values.push(record)
    this.next = this.next + 1 === this.columns.length ? 0 : this.next + 1
    return true
  }

  finish(): ReadonlyArray<ShuffleBlock> {
    return this.columns.map(({ values }) => ({ kind: "records", records: values }))
  }
}

const action = <R>(kind: SinkKind, start: () => SinkState<R>): Sink<R> => ({
  kind,
  functions: [],
  operator: kind,
  start
})

export const collect: Sink<ReadonlyArray<unknown>> = action("collect", () => new CollectState())

export const count: Sink<number> = action("count", () => new CountState((count) => count))

/** The count as the one record of a partition. */
export const countRecord: Sink<ReadonlyArray<unknown>> = action("count", () => new CountState((count) => [count]))

export const take = (limit: number): Sink<ReadonlyArray<unknown>> => action("take", () => new TakeState(limit))

export const reduce = (f: (a: any, b: any) => unknown, operator: string): Sink<ReadonlyArray<unknown>> => ({
  kind: "reduce",
  functions: [f],
  operator,
  start: () => new ReduceState(f)
})

/** The map side of a shuffle, run on one map partition; `operator` is the one whose shuffle it is. */
export const shuffle = (
  dependency: ShuffleDependency,
  mapPartition: PartitionIndex,
  operator: string
): Sink<ReadonlyArray<ShuffleBlock>> => {
  if (dependency.kind === "spread") {
    const start = () => new SpreadState(dependency.numPartitions, mapPartition)
    return { kind: "spread", functions: [], operator, start }
  }
  const { partitioner, combiner } = dependency
  if (combiner === undefined || !combiner.mapSide) {
    return { kind: "columns", functions: [], operator, takesPairs: true, start: () => new ColumnsState(partitioner) }
  }
  const functions = [combiner.create, combiner.mergeValue]
  return {
    kind: "combine",
    functions,
    operator,
    takesPairs: true,
    start: () => new CombineState(partitioner, combiner)
  }
}
