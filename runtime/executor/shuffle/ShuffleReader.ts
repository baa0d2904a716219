/**
 * ShuffleReader: the records of one reduce partition, from map outputs here and at other executors.
 *
 * All that is wanted of one peer is asked in one request, of all peers at the same time. The blocks are then combined
 * in the order of map partitions, so that records and their order are a function of the plan, wherever the outputs
 * were. What is missing, here or there, and a peer that is gone, end the read with FetchFailed that names place and
 * map partition: the scheduler has the output computed again. Blocks that others may read too are handed to merges as
 * copies.
 */
import { Effect } from "effect"
import type { ChunkReader } from "../../../core/dstream/InputDStream.ts"
import type { ExecutorId, PartitionIndex } from "../../../core/protocol/Ids.ts"
import type { Border } from "../../../core/protocol/RecordCodec.ts"
import { copyColumn } from "../../../core/rdd/copyValue.ts"
import { sliceRecords } from "../../../core/rdd/Fusion.ts"
import { blockLength, ReduceSide } from "../../../core/rdd/ReduceSide.ts"
import type { ShuffleBlock, ShuffleDependency } from "../../../core/rdd/ShuffleDependency.ts"
import type { ChainSource } from "../../../core/rdd/Stage.ts"
import type { Pace } from "../Pace.ts"
import type { Peers } from "../Peers.ts"
import type { ShuffleStore } from "./ShuffleStore.ts"
import { cannotLeave, TaskFault } from "../TaskFault.ts"

export interface ShuffleSources {
  readonly executor: ExecutorId
  readonly store: ShuffleStore
  readonly peers: Peers
  readonly border: Border["Service"]
}

type ShuffleSource = Extract<ChainSource, { readonly kind: "shuffle" }>

/** `places`: the executor of each map partition. */
export const readShuffle = Effect.fnUntraced(function* (
  source: ShuffleSource,
  places: ReadonlyArray<ExecutorId>,
  from: ShuffleSources,
  pace: Pace
): Effect.fn.Return<ChunkReader<unknown, TaskFault>, TaskFault> {
  const { lineage: { dependency }, identity } = source.shuffle
  const blocks = yield* gather(source, places, from)
  const reduce = new ReduceSide(dependency, identity.operator)
  for (const block of blocks) {
    const length = blockLength(block)
    for (let at = 0; at < length; at += sliceRecords) {
      reduce.push(block, at, Math.min(at + sliceRecords, length))
      if (pace.isDue()) yield* pace.giveWay
    }
  }
  return recordsOf(reduce)
})

/** The records of a combined partition, a slice at a time. */
const recordsOf = (reduce: ReduceSide): ChunkReader<unknown, never> => {
  let at = 0
  return {
    next: Effect.sync(() => {
      if (at >= reduce.size) return undefined
      const from = at
      at = Math.min(at + sliceRecords, reduce.size)
      return reduce.records(from, at)
    })
  }
}

/** The blocks of all map partitions, in their order. */
const gather = (source: ShuffleSource, places: ReadonlyArray<ExecutorId>, from: ShuffleSources) => {
  const { id } = source.shuffle.identity
  const { dependency } = source.shuffle.lineage
  const blocks: Array<ShuffleBlock> = []
  const remote = new Map<ExecutorId, Array<PartitionIndex>>()
  for (let map = 0; map < places.length; map++) {
    const place = places[map]!
    const asked = remote.get(place)
    if (asked !== undefined) asked.push(map)
    else if (place !== from.executor) remote.set(place, [map])
    else {
      const block = from.store.get(id, map, source.partition)
      if (block === undefined) return Effect.fail(fetchFailed(source, map, place, "it does not hold this output"))
      blocks[map] = unshared(block, dependency)
    }
  }
  if (remote.size === 0) return Effect.succeed(blocks)
  const fetches = Effect.forEach(
    remote,
    ([peer, maps]) =>
      Effect.map(fetchFrom(source, peer, maps, from), (fetched) => maps.forEach((map, i) => blocks[map] = fetched[i]!)),
    {
      concurrency: "unbounded",
      discard: true
    }
  )
  return Effect.as(fetches, blocks)
}

const fetchFrom = (
  source: ShuffleSource,
  peer: ExecutorId,
  mapPartitions: ReadonlyArray<PartitionIndex>,
  { border, peers }: ShuffleSources
): Effect.Effect<ReadonlyArray<ShuffleBlock>, TaskFault> => {
  const { identity: { id, operator }, lineage: { dependency } } = source.shuffle
  const { partition } = source
  return peers.fetch(peer, { kind: "FetchShuffle", shuffle: id, mapPartitions, reducePartition: partition }).pipe(
    Effect.mapError(() => fetchFailed(source, mapPartitions[0]!, peer, "it is gone")),
    Effect.flatMap(({ failure, found, missing }) => {
      if (failure !== undefined) {
        return Effect.fail(cannotLeave({ operator, partition }, failure))
      }
      if (found === undefined) {
        return Effect.fail(fetchFailed(source, missing ?? mapPartitions[0]!, peer, "it does not hold this output"))
      }
      const blocks = border.unpack(found) as ReadonlyArray<ShuffleBlock>
      return Effect.succeed(found.kind === "bytes" ? blocks : blocks.map((block) => unshared(block, dependency)))
    })
  )
}

/** A merge may change its first argument, which on the reduce side is the map side's: it gets a copy. */
const unshared = (block: ShuffleBlock, dependency: ShuffleDependency): ShuffleBlock =>
  dependency.kind === "byKey" && dependency.combiner?.mapSide === true && block.kind === "pairs"
    ? { ...block, values: copyColumn(block.values) }
    : block

const fetchFailed = (
  source: ShuffleSource,
  mapPartition: PartitionIndex,
  executor: ExecutorId,
  reason: string
): TaskFault =>
  new TaskFault({ kind: "FetchFailed", shuffle: source.shuffle.identity.id, mapPartition, executor, reason })
