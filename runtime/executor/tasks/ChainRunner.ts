/**
 * ChainRunner: runs the chain of one partition into a sink: opens its source, and drives the records through fused loops.
 *
 * | source | records |
 * | --- | --- |
 * | input | see `BlockReader` |
 * | literal | the program's own |
 * | reading | what the program's own reader finds, see `BlockReader` |
 * | shuffle | see `ShuffleReader` |
 * | state | what the version shows, here or at the executor that the task's places name |
 * | zipped | each parent's chain as a list, put together |
 * | persisted | kept here from before, else the chain's, kept from now on |
 *
 * A long partition gives way between slices. A user's error is a Failed that names the operator.
 */
import { type Context, Effect } from "effect"
import { chunkOf, type ChunkReader } from "../../../core/dstream/InputDStream.ts"
import { effectOf, tellMissingService } from "../../../core/dstream/UserEffect.ts"
import type { Places } from "../../../core/protocol/ExecutorProtocol.ts"
import * as Fusion from "../../../core/rdd/Fusion.ts"
import { type Boundary, boundarySink, crossBoundary, type Segment, segmentsOf } from "../../../core/rdd/Segment.ts"
import * as Sink from "../../../core/rdd/Sink.ts"
import type { Chain, ChainSource } from "../../../core/rdd/Stage.ts"
import type { BlockReader } from "../BlockReader.ts"
import type * as Pace from "../Pace.ts"
import { readShuffle, type ShuffleSources } from "../shuffle/ShuffleReader.ts"
import type { StateRunner } from "../state/StateRunner.ts"
import { cannotLeave, failed, failedOf, TaskFault } from "../TaskFault.ts"
import type { PartitionCache } from "./PartitionCache.ts"

export interface ChainSources extends ShuffleSources {
  readonly reader: BlockReader
  readonly states: StateRunner
  readonly cache: PartitionCache
  /** What the app's layer provides. */
  readonly context: Context.Context<any>
  readonly codeGeneration: boolean
}

type Reader = ChunkReader<unknown, TaskFault>

export const runChain = <R>(
  from: ChainSources,
  places: Places,
  chain: Chain,
  sink: Sink.Sink<R>,
  pace: Pace.Pace
): Effect.Effect<R, TaskFault> =>
  Effect.gen(function* () {
    let reader: Reader = yield* open(from, places, chain.source, pace)
    const { partition } = chain.source
    const segments = segmentsOf(chain.steps)
    for (const segment of segments) {
      if (segment.end !== undefined) reader = yield* runSegment(from, segment, segment.end, reader, pace, partition)
    }
    return yield* drain(Fusion.fuse(segments.at(-1)!.steps, sink, fusionOf(from)), reader, pace)
  })

const fusionOf = ({ codeGeneration }: ChainSources): Fusion.FusionOptions => ({
  codeGeneration: codeGeneration ? "auto" : false
})

const open = (
  from: ChainSources,
  places: Places,
  source: ChainSource,
  pace: Pace.Pace
): Effect.Effect<Reader, TaskFault> => {
  switch (source.kind) {
    case "literal":
      return Effect.succeed(chunkOf(source.records))
    case "input":
      return from.reader.read(source, places)
    case "reading":
      return from.reader.readOwn(source)
    case "shuffle": {
      const { id } = source.shuffle.identity
      return readShuffle(source, places.shuffles.find(([shuffle]) => shuffle === id)?.[1] ?? [], from, pace)
    }
    case "state":
      return readState(from, places, source)
    case "zipped":
      return Effect.flatMap(
        Effect.forEach(source.chains, (chain) => runChain(from, places, chain, Sink.collect, pace)),
        (parts) => zipped(source, parts)
      )
    case "persisted":
      return persisted(from, places, source, pace)
  }
}

const zipped = (
  { f, operator, partition }: Extract<ChainSource, { readonly kind: "zipped" }>,
  parts: ReadonlyArray<ReadonlyArray<unknown>>
): Effect.Effect<Reader, TaskFault> =>
  Effect.try({
    try: () => {
      const records = f(parts)
      return chunkOf(Array.isArray(records) ? records : Array.from(records))
    },
    catch: (error) => failed({ operator, partition }, error)
  })

const persisted = Effect.fnUntraced(function* (
  from: ChainSources,
  places: Places,
  { chain, level, partition, rdd }: Extract<ChainSource, { readonly kind: "persisted" }>,
  pace: Pace.Pace
): Effect.fn.Return<Reader, TaskFault> {
  const kept = yield* from.cache.get(rdd.identity, partition)
  if (kept !== undefined) return chunkOf(kept)
  const records = yield* runChain(from, places, chain, Sink.collect, pace)
  yield* from.cache.put(rdd.identity, partition, records, level)
  return chunkOf(records)
})

const readState = Effect.fnUntraced(function* (
  { border, executor, peers, states }: ChainSources,
  places: Places,
  { partition, state, view }: Extract<ChainSource, { readonly kind: "state" }>
): Effect.fn.Return<Reader, TaskFault> {
  const { id, operator } = state.identity
  const here = states.read(state, partition, view)
  if (here !== undefined) return readerOf(here, (error) => failed({ operator, partition }, error))
  const holder = places.states.find(([of, part]) => of === id && part === partition)?.[2] ?? executor
  const missing = (reason: string) =>
    new TaskFault({ kind: "FetchFailed", shuffle: id, mapPartition: partition, executor: holder, reason })
  if (holder === executor) return yield* Effect.fail(missing("it does not hold this version of the state"))
  const { failure, found } = yield* Effect.mapError(
    peers.fetch(holder, { kind: "FetchState", state: id, partition, view }),
    () => missing("it is gone")
  )
  if (failure !== undefined) return yield* Effect.fail(cannotLeave({ operator, partition }, failure))
  if (found === undefined) return yield* Effect.fail(missing("it does not hold this version of the state"))
  return chunkOf(border.unpack(found) as ReadonlyArray<unknown>)
})

const readerOf = (chunks: Iterable<ReadonlyArray<unknown>>, fault: (error: unknown) => TaskFault): Reader => {
  const iterator = chunks[Symbol.iterator]()
  return {
    next: Effect.try({
      try: () => {
        const { done, value } = iterator.next()
        return done === true ? undefined : value
      },
      catch: fault
    })
  }
}

/** A segment and the partition-wise operation that ends it: what comes out is the next segment's input. */
const runSegment = Effect.fnUntraced(function* (
  options: ChainSources,
  { steps }: Segment,
  end: Boundary,
  reader: Reader,
  pace: Pace.Pace,
  partition: number
): Effect.fn.Return<Reader, TaskFault> {
  const records = yield* drain(Fusion.fuse(steps, boundarySink(end), fusionOf(options)), reader, pace)
  const { op, operator } = end
  if (op.kind !== "mapEffect") return chunkOf(crossBoundary({ op, operator }, records))
  const f = effectOf("mapEffect", op.f)
  const results = Effect.forEach(records, (record) => f(record), { concurrency: op.concurrency }).pipe(
    Effect.provideContext(options.context),
    tellMissingService,
    Effect.catchCause((cause) => Effect.fail(failedOf({ operator, partition }, cause)))
  )
  return chunkOf(yield* results)
})

/** Runs all records of a reader through a loop, slice by slice. */
const drain = Effect.fnUntraced(function* <R>(
  loop: Fusion.Loop<R>,
  reader: Reader,
  pace: Pace.Pace
): Effect.fn.Return<R, TaskFault> {
  const run = loop.start()
  while (true) {
    const chunk = yield* reader.next
    if (chunk === undefined) return run.finish()
    for (let from = 0; from < chunk.length; from += Fusion.sliceRecords) {
      if (!run.push(chunk, from, Math.min(from + Fusion.sliceRecords, chunk.length))) return run.finish()
      if (pace.isDue()) yield* pace.giveWay
    }
  }
})
