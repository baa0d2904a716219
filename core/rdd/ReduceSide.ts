/**
 * ReduceSide: what a reduce partition makes of the blocks that the map partitions have for it.
 *
 * The caller pushes the blocks in the order of the map partitions, whole or in slices so that other fibers get their turn, and then
 * reads the records, again in slices if it likes: pairs in the order in which their keys first came, or records as they came. The
 * order is thus a function of the plan. With map-side combine the values are combined already and are merged; without it they are
 * combined here; without a combiner they are handed on.
 *
 * A merge may change its first argument and return it, as Spark allows: where it was combined on the map side, that is an object of
 * a block, so a block that may be read again must be read as a copy.
 */
import { refuseDeferredReduction } from "./fusion/FunctionMistake.ts"
import { KeyedMap } from "./KeyedMap.ts"
import type { Combiner, ShuffleBlock, ShuffleDependency } from "./ShuffleDependency.ts"
import { UserFunctionError } from "./UserFunctionError.ts"

/** Records of a block. */
export const blockLength = (block: ShuffleBlock): number =>
  block.kind === "pairs" ? block.keys.length : block.records.length

export class ReduceSide {
  private readonly combiner: Combiner | undefined
  private readonly operator: string
  private readonly map = new KeyedMap()
  private readonly values: Array<unknown> = []
  private readonly passed: Array<unknown> = []
  private pushed = 0

  /** `operator` is the one whose shuffle it is. */
  constructor(dependency: ShuffleDependency, operator: string) {
    this.combiner = dependency.kind === "byKey" ? dependency.combiner : undefined
    this.operator = operator
  }

  /** Takes the records `from` to `to` (exclusive) of a block. Throws `UserFunctionError`, after which this is over. */
  push(block: ShuffleBlock, from = 0, to = blockLength(block)): void {
    if (block.kind === "records") {
      for (let i = from; i < to; i++) this.passed.push(block.records[i])
    } else if (this.combiner === undefined) {
      for (let i = from; i < to; i++) this.passed.push([block.keys[i], block.values[i]])
    } else {
      this.combine(this.combiner, block.keys, block.values, from, to)
    }
    this.pushed += to - from
  }

  /** How many records there are. */
  get size(): number {
    return this.combiner === undefined ? this.passed.length : this.map.size
  }

  /** The records `from` to `to` (exclusive), once all blocks are pushed. */
  records(from = 0, to = this.size): ReadonlyArray<unknown> {
    if (this.combiner === undefined) {
      return from === 0 && to === this.passed.length ? this.passed : this.passed.slice(from, to)
    }
    const { keys } = this.map
    const records: Array<unknown> = []
    for (let slot = from; slot < to; slot++) records.push([keys[slot], this.values[slot]])
    return records
  }

  private combine(
    { create, mergeCombiners, mergeValue, mapSide }: Combiner,
    keys: ReadonlyArray<unknown>,
    incoming: ReadonlyArray<unknown>,
    from: number,
    to: number
  ): void {
    const { map, values } = this
    const merge = mapSide ? mergeCombiners : mergeValue
    let i = from
    let created: unknown
    let merged = 0
    try {
      for (; i < to; i++) {
        const slot = map.slotOf(keys[i])
        if (slot < values.length) values[merged = slot] = merge(values[slot], incoming[i])
        else values.push(created = mapSide ? incoming[i] : create(incoming[i]))
      }
      refuseDeferredReduction(created)
      refuseDeferredReduction(values[merged])
    } catch (cause) {
      throw new UserFunctionError({ operator: this.operator, index: this.pushed + i - from, cause })
    }
  }
}
