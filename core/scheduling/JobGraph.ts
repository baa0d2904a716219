/**
 * JobGraph: the stages of one job as the task scheduler sees them, in plain data: which partitions, which shuffle
 * each reads, where it would best run.
 *
 * A stage is known by the id of its RDD, so that a shuffle that the scheduler knows already is not described again.
 */
import type { BlockId } from "../blocks/ReceivedBlock.ts"
import type { SealedRDD } from "../dstream/Derivation.ts"
import type { ExecutorId, PartitionIndex, RddId, StreamId } from "../protocol/Ids.ts"
import { type Chain, chainsOf, mapSide, type ShuffledRDD } from "../rdd/Stage.ts"

export interface TaskSpec {
  readonly partition: PartitionIndex
  /** The shuffle that has to be complete before the task can run. */
  readonly reads: RddId | undefined
  /** The block that the task reads, and the executors that hold it, as far as is known. */
  readonly block: { readonly block: BlockId; readonly executors: ReadonlyArray<ExecutorId> } | undefined
  /** A partition of the same source is best run where it was in the last batch: at the executor of this number. */
  readonly affinity: number
}

export interface StageSpec {
  readonly stage: RddId
  /** For errors that no executor tells. */
  readonly operator: StreamId
  readonly digest: string
  /** Of a shuffle: one per map partition, in order. */
  readonly tasks: ReadonlyArray<TaskSpec>
}

export interface JobGraph {
  /** The tasks in the order in which their values are wanted. */
  readonly result: StageSpec
  /** The shuffles that it needs and the scheduler does not know; parents first. */
  readonly shuffles: ReadonlyArray<StageSpec>
}

export interface Surroundings {
  readonly digest: (rdd: SealedRDD) => string
  readonly locations: (block: BlockId) => ReadonlyArray<ExecutorId>
  readonly isKnown: (shuffle: RddId) => boolean
}

/** The stages that compute `partitions` of `rdd` (all of them, if not given). */
export const jobGraph = (
  rdd: SealedRDD,
  partitions: ReadonlyArray<PartitionIndex> | undefined,
  around: Surroundings
): JobGraph => {
  const shuffles: Array<StageSpec> = []
  const seen = new Set<RddId>()
  const visit = (chains: ReadonlyArray<Chain>): void => {
    for (const { source } of chains) {
      if (source.kind === "shuffle" && !seen.has(source.shuffle.identity.id)) describe(source.shuffle)
    }
  }
  const describe = (shuffle: ShuffledRDD): void => {
    const { id, operator } = shuffle.identity
    seen.add(id)
    if (around.isKnown(id)) return
    const chains = chainsOf(mapSide(shuffle))
    visit(chains)
    shuffles.push({
      stage: id,
      operator,
      digest: around.digest(shuffle),
      tasks: chains.map((chain, i) => taskSpec(chain, i, around))
    })
  }
  const all = chainsOf(rdd)
  const wanted = partitions ?? all.map((_, partition) => partition)
  for (const partition of wanted) {
    if (all[partition] === undefined) throw new Error(`RDD ${rdd.identity.id} has no partition ${partition}`)
  }
  visit(wanted.map((partition) => all[partition]!))
  const { id, operator } = rdd.identity
  const tasks = wanted.map((partition) => taskSpec(all[partition]!, partition, around))
  return { result: { stage: id, operator, digest: around.digest(rdd), tasks }, shuffles }
}

const taskSpec = ({ source }: Chain, partition: PartitionIndex, around: Surroundings): TaskSpec => {
  const block = source.kind === "input" && source.spec.kind === "block" ? source.spec.block : undefined
  return {
    partition,
    reads: source.kind === "shuffle" ? source.shuffle.identity.id : undefined,
    block: block === undefined ? undefined : { block, executors: around.locations(block) },
    affinity: source.partition
  }
}
