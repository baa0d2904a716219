/**
 * Stage: how lineage is cut into work. A stage is what can be done to a partition without moving records between
 * partitions.
 *
 * - The records of a partition come from one source: a part of an input, a list of the program, a reduce partition of a
 *   shuffle, a version of a state, or other chains put together or kept. `chainOf` finds it and the narrow operations from there
 *   on; a union only says which parent a partition is of.
 * - Every shuffled RDD ends a stage: its map tasks compute the partitions of its parent, and their outputs are its
 *   source. So a stage's id is the id of its RDD, whichever job asks: results under the id of the RDD itself, map
 *   outputs under that of the shuffled RDD.
 * - Every state RDD is a stage too: its task i takes the state of partition i one step on, where the version before is, and its
 *   output is that version. `readsOf` says which shuffles and states a chain needs.
 * - All RDDs are sealed; they are told apart by id.
 *
 * Called by the driver to submit a job and by executors to run its tasks: a function of the lineage alone.
 */
import type { BlockId } from "../blocks/ReceivedBlock.ts"
import type { PartitionSpec } from "../dstream/BatchPlan.ts"
import type { SealedRDD } from "../dstream/Derivation.ts"
import type { PartitionIndex, StreamId } from "../protocol/Ids.ts"
import type { Time } from "../time/Time.ts"
import type { OperatorStep } from "./NarrowOp.ts"
import type { StorageLevel } from "../receiving/Receiver.ts"
import type { StateView } from "../state/StateStore.ts"
import type { ReaderOf } from "../dstream/InputDStream.ts"
import type { AnyRDD, Lineage, ZipPartitions } from "./RDD.ts"
import type { ShuffleDependency } from "./ShuffleDependency.ts"

/** Where the records of a partition come from. `partition` counts within the source, whatever unions follow. */
export type ChainSource =
  | {
    readonly kind: "input"
    readonly stream: StreamId
    readonly time: Time
    readonly partition: PartitionIndex
    readonly spec: PartitionSpec
  }
  | {
    readonly kind: "literal"
    readonly operator: StreamId
    readonly partition: PartitionIndex
    readonly records: ReadonlyArray<unknown>
  }
  /** What the program's own reader finds under a value. */
  | {
    readonly kind: "reading"
    readonly operator: StreamId
    readonly time: Time
    readonly partition: PartitionIndex
    readonly reader: ReaderOf<unknown>
    readonly value: unknown
  }
  /** One reduce partition of a shuffle: all its map outputs, in the order of map partitions. */
  | { readonly kind: "shuffle"; readonly shuffle: ShuffledRDD; readonly partition: PartitionIndex }
  /** What a version of a state shows of one partition. */
  | { readonly kind: "state"; readonly state: StateRDD; readonly view: StateView; readonly partition: PartitionIndex }
  /** The records of several chains, put together. */
  | {
    readonly kind: "zipped"
    readonly operator: StreamId
    readonly partition: PartitionIndex
    readonly f: ZipPartitions
    readonly chains: ReadonlyArray<Chain>
  }
  /** What the chain gives, kept by whoever computes it under the id of the RDD. */
  | {
    readonly kind: "persisted"
    readonly rdd: SealedRDD
    readonly level: StorageLevel
    readonly partition: PartitionIndex
    readonly chain: Chain
  }

/** The narrow chain of one partition. */
export interface Chain {
  readonly source: ChainSource
  readonly steps: ReadonlyArray<OperatorStep>
}

export type StateRDD = SealedRDD & { readonly lineage: Extract<Lineage, { readonly kind: "state" }> }

export type ShuffledRDD = SealedRDD & {
  readonly lineage: { readonly kind: "shuffled"; readonly parent: AnyRDD; readonly dependency: ShuffleDependency }
}

export const isShuffled = (rdd: SealedRDD): rdd is ShuffledRDD => rdd.lineage.kind === "shuffled"

export const isState = (rdd: SealedRDD): rdd is StateRDD => rdd.lineage.kind === "state"

/** The chains that a step of a state reads, one per input. */
export const inputChains = (state: StateRDD, partition: PartitionIndex): ReadonlyArray<Chain> =>
  state.lineage.inputs.map((input) => chainOf(sealedParent(input), partition))

/** A shuffle that a chain reads, or one partition of a version of a state. */
export type ChainRead =
  | { readonly kind: "shuffle"; readonly rdd: ShuffledRDD }
  | { readonly kind: "state"; readonly rdd: StateRDD; readonly partition: PartitionIndex }

/** The shuffles and states that a chain reads. */
export const readsOf = ({ source }: Chain): ReadonlyArray<ChainRead> => {
  switch (source.kind) {
    case "shuffle":
      return [{ kind: "shuffle", rdd: source.shuffle }]
    case "state":
      return [{ kind: "state", rdd: source.state, partition: source.partition }]
    case "zipped":
      return source.chains.flatMap(readsOf)
    case "persisted":
      return readsOf(source.chain)
    default:
      return []
  }
}

/** A received block that is not lost, and whose it is. */
export interface BlockRead {
  readonly stream: StreamId
  readonly block: BlockId
}

/** The blocks that a chain reads. */
export const blocksOf = (chain: Chain): ReadonlyArray<BlockRead> => {
  const { source } = chain
  switch (source.kind) {
    case "input":
      return source.spec.kind === "block" && source.spec.lost !== true
        ? [{ stream: source.stream, block: source.spec.block }]
        : []
    case "zipped":
      return source.chains.flatMap(blocksOf)
    case "persisted":
      return blocksOf(source.chain)
    default:
      return []
  }
}

/** The RDD that the map tasks of a shuffle compute. */
export const mapSide = (shuffle: ShuffledRDD): SealedRDD => sealedParent(shuffle.lineage.parent)

/** The source of a partition, and the narrow operations from there to `rdd`, first to last. */
export const chainOf = (rdd: SealedRDD, partition: PartitionIndex): Chain => {
  if (!Number.isInteger(partition) || partition < 0 || partition >= rdd.numPartitions) {
    throw new Error(`RDD ${rdd.identity.id} has ${rdd.numPartitions} partitions, and no partition ${partition}`)
  }
  const steps: Array<OperatorStep> = []
  let current = rdd
  let index = partition
  while (true) {
    const { lineage, identity } = current
    if (lineage.kind === "narrow") {
      steps.push({ op: lineage.op, operator: identity.operator })
      current = sealedParent(lineage.parent)
    } else if (lineage.kind === "union") {
      const owner = ownerOf(lineage.parents, index)
      current = sealedParent(owner.parent)
      index = owner.partition
    } else return { source: sourceOf(current, index), steps: steps.reverse() }
  }
}

/** What a partition of an RDD that begins a chain reads. */
const sourceOf = (rdd: SealedRDD, partition: PartitionIndex): ChainSource => {
  const { lineage, identity } = rdd
  switch (lineage.kind) {
    case "input":
      return {
        kind: "input",
        stream: lineage.stream,
        time: identity.time,
        partition,
        spec: lineage.partitions[partition]!
      }
    case "literal":
      return { kind: "literal", operator: identity.operator, partition, records: lineage.partitions[partition]! }
    case "reading": {
      const { operator, time } = identity
      return { kind: "reading", operator, time, partition, reader: lineage.reader, value: lineage.values[partition] }
    }
    case "shuffled":
      return { kind: "shuffle", shuffle: rdd as ShuffledRDD, partition }
    case "stateView":
      return { kind: "state", state: lineage.parent as StateRDD, view: lineage.view, partition }
    case "zipped": {
      const chains = lineage.parents.map((parent) => chainOf(sealedParent(parent), partition))
      return { kind: "zipped", operator: identity.operator, partition, f: lineage.f, chains }
    }
    case "persisted": {
      const chain = chainOf(sealedParent(lineage.parent), partition)
      return { kind: "persisted", rdd, level: lineage.level, partition, chain }
    }
    default:
      throw new Error(`RDD ${identity.id} is ${lineage.kind}, which begins no chain`)
  }
}

/** The parent of a union that a partition is of, and its place there. */
const ownerOf = (parents: ReadonlyArray<AnyRDD>, partition: PartitionIndex) => {
  let first = 0
  for (const parent of parents) {
    if (partition < first + parent.numPartitions) return { parent, partition: partition - first }
    first += parent.numPartitions
  }
  throw new Error(`a union of ${first} partitions has no partition ${partition}`)
}

/** The chains of all partitions; those of partitions that share a chain share its steps. */
export const chainsOf = (rdd: SealedRDD): ReadonlyArray<Chain> => {
  const chains: Array<Chain> = []
  const visit = (current: SealedRDD, steps: ReadonlyArray<OperatorStep>): void => {
    const { lineage, identity } = current
    if (lineage.kind === "narrow") {
      return visit(sealedParent(lineage.parent), [{ op: lineage.op, operator: identity.operator }, ...steps])
    }
    if (lineage.kind === "union") return lineage.parents.forEach((parent) => visit(sealedParent(parent), steps))
    for (let partition = 0; partition < current.numPartitions; partition++) {
      chains.push({ source: sourceOf(current, partition), steps })
    }
  }
  visit(rdd, [])
  return chains
}

const sealedParent = (rdd: AnyRDD): SealedRDD => {
  if (rdd.identity === undefined) throw new Error("the lineage of a sealed RDD holds one that has no id")
  return rdd as SealedRDD
}
