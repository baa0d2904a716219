/**
 * JobGraph: the stages of one job as the task scheduler sees them, in plain data: which partitions, which shuffle
 * each reads, where it would best run.
 *
 * A stage is known by the id of its RDD, so that a shuffle or a state that the scheduler knows already is not described again.
 */
import type { BlockId } from "../../blocks/ReceivedBlock.ts"
import type { SealedRDD } from "../../dstream/Derivation.ts"
import type { ExecutorId, PartitionIndex, RddId, StreamId } from "../../protocol/Ids.ts"
import {
  type BlockRead,
  blocksOf,
  type Chain,
  type ChainRead,
  chainsOf,
  type ChainSource,
  inputChains,
  isState,
  mapSide,
  readsOf,
  type ShuffledRDD,
  type StateRDD
} from "../../rdd/Stage.ts"
import type { RestorableSnapshot, SnapshotFiles } from "../../state/SnapshotTracker.ts"
import { StateRefused } from "../../state/snapshots/StateRefused.ts"
import type { Millis, Time } from "../../time/Time.ts"

/** What has to be there before a task can run: a whole shuffle, or one partition of a version of a state. */
export interface StageRead {
  readonly stage: RddId
  readonly partition: PartitionIndex | undefined
}

export interface TaskSpec {
  readonly partition: PartitionIndex
  /** The first that is a state says where the task runs: at the executor that holds that version. */
  readonly reads: ReadonlyArray<StageRead>
  /** Of a state: the files of a snapshot of this version that a predecessor of the driver knew; with it nothing is read. */
  readonly snapshot: SnapshotFiles | undefined
  /** The block that the task reads, the executors that hold it, as far as is known, and whether it is empty once it is lost. */
  readonly block: {
    readonly block: BlockId
    readonly executors: ReadonlyArray<ExecutorId>
    readonly mayIgnore?: boolean
  } | undefined
  /** How many records come with the plan or stand in the program, if it reads nothing else. */
  readonly given?: number | undefined
  /** A partition of the same source is best run where it was in the last batch: at the executor of this number. */
  readonly affinity: number
}

export interface StageSpec {
  readonly stage: RddId
  /** Of the result stage the scheduler says itself what it does. */
  readonly work: "result" | "map" | "state"
  /** Of a state: a snapshot of this version shall be taken. */
  readonly snapshot: boolean
  /** Once all batches up to here are done, nobody reads its outputs in the normal course of things. */
  readonly reusedUntil: Time
  /** For errors that no executor tells. */
  readonly operator: StreamId
  readonly digest: string
  /** Of a shuffle: one per map partition, of a state: one per partition; in order. */
  readonly tasks: ReadonlyArray<TaskSpec>
}

export interface JobGraph {
  /** The tasks in the order in which their values are wanted. */
  readonly result: StageSpec
  /** The shuffles and states that it needs and the scheduler does not know; parents first. */
  readonly stages: ReadonlyArray<StageSpec>
}

export interface Surroundings {
  readonly digest: (rdd: SealedRDD) => string
  readonly locations: (block: BlockId) => ReadonlyArray<ExecutorId>
  /** Whether the lost blocks of a stream are read as empty, whatever the settings say. */
  readonly mayIgnore?: ((stream: StreamId) => boolean) | undefined
  readonly isKnown: (stage: RddId) => boolean
  /** The RDD of an id: earlier versions of states are named, not held. */
  readonly rdd: (id: RddId) => SealedRDD
  /** How long the batches of an operator are read in the normal course of things. */
  readonly reuseMillis: (operator: StreamId) => Millis
  /** Whether a snapshot shall be taken of this version of a state. */
  readonly snapshotDue: (state: StateRDD) => boolean
  /** A complete snapshot of just this version of a state, taken before the scheduler began. */
  readonly snapshotOf: (state: StateRDD) => RestorableSnapshot | undefined
}

/** The stages that compute `partitions` of `rdd` (all of them, if not given). A state RDD itself has no records, only versions. */
export const jobGraph = (
  rdd: SealedRDD,
  partitions: ReadonlyArray<PartitionIndex> | undefined,
  around: Surroundings
): JobGraph => {
  const stages: Array<StageSpec> = []
  const seen = new Set<RddId>()
  const visit = (chains: ReadonlyArray<Chain>): void => {
    for (const chain of chains) for (const { rdd } of readsOf(chain)) describe(rdd.identity.id, () => rdd)
  }
  const describe = (id: RddId, of: () => SealedRDD): void => {
    if (seen.has(id)) return
    seen.add(id)
    if (around.isKnown(id)) return
    const rdd = of()
    stages.push(isState(rdd) ? describeState(rdd) : describeShuffle(rdd as ShuffledRDD))
  }
  const describeShuffle = (shuffle: ShuffledRDD): StageSpec => {
    const chains = chainsOf(mapSide(shuffle))
    visit(chains)
    return stageOf(shuffle, "map", chains.map((chain, i) => taskSpec([chain], i, around)), around)
  }
  const describeState = (state: StateRDD): StageSpec => {
    const { identity, lineage: { previous }, numPartitions } = state
    const known = around.snapshotOf(state)
    if (known !== undefined && known.files.length !== numPartitions) {
      throw StateRefused.otherPartitions(identity.operator, known.files.length, numPartitions)
    }
    // Of what lies behind the oldest snapshot nothing is known: the plans begin there.
    const isFirst = known?.isOldest === true && previous !== undefined
    if (previous !== undefined && !isFirst) describe(previous, () => around.rdd(previous))
    const tasks = Array.from({ length: numPartitions }, (_, partition) => {
      const chains = isFirst ? [] : inputChains(state, partition)
      visit(chains)
      return { ...taskSpec(chains, partition, around, previous), snapshot: known?.files[partition] }
    })
    return { ...stageOf(state, "state", tasks, around), snapshot: around.snapshotDue(state) }
  }
  const all = chainsOf(rdd)
  const wanted = partitions ?? all.map((_, partition) => partition)
  for (const partition of wanted) {
    if (all[partition] === undefined) throw new Error(`RDD ${rdd.identity.id} has no partition ${partition}`)
  }
  visit(wanted.map((partition) => all[partition]!))
  const tasks = wanted.map((partition) => taskSpec([all[partition]!], partition, around))
  return { result: stageOf(rdd, "result", tasks, around), stages }
}

const stageOf = (
  rdd: SealedRDD,
  work: StageSpec["work"],
  tasks: ReadonlyArray<TaskSpec>,
  around: Surroundings
): StageSpec => {
  const { id, operator, time } = rdd.identity
  const reusedUntil = time + around.reuseMillis(operator)
  return { stage: id, work, snapshot: false, reusedUntil, operator, digest: around.digest(rdd), tasks }
}

/** `previous`: the version of a state that the task takes on. */
const taskSpec = (
  chains: ReadonlyArray<Chain>,
  partition: PartitionIndex,
  around: Surroundings,
  previous?: RddId
): TaskSpec => {
  const read = chains.flatMap(blocksOf)[0]
  const reads = chains.flatMap(readsOf).map(stageRead)
  return {
    partition,
    reads: previous === undefined ? reads : [{ stage: previous, partition }, ...reads],
    snapshot: undefined,
    block: read === undefined ? undefined : blockSpec(read, around),
    given: chains.length === 1 ? givenTo(chains[0]!.source) : undefined,
    affinity: affinityOf(chains[0]?.source) ?? partition
  }
}

const givenTo = (source: ChainSource): number | undefined => {
  if (source.kind === "literal") return source.records.length
  return source.kind === "input" && source.spec.kind === "inline" ? source.spec.records : undefined
}

const affinityOf = (source: ChainSource | undefined): number | undefined =>
  source?.kind === "input" && source.spec.kind === "source"
    ? source.spec.affinity ?? source.partition
    : source?.partition

const blockSpec = ({ block, stream }: BlockRead, { locations, mayIgnore }: Surroundings): TaskSpec["block"] => ({
  block,
  executors: locations(block),
  ...(mayIgnore?.(stream) === true ? { mayIgnore: true } : {})
})

const stageRead = (read: ChainRead): StageRead => ({
  stage: read.rdd.identity.id,
  partition: read.kind === "state" ? read.partition : undefined
})
