/**
 * BlockReader: the records of one partition of an input, as the batch plan says what it is.
 *
 * | partition | where its records are |
 * | --- | --- |
 * | block | with this executor's block manager; else with the executors that the task's hints name, one after the other; else in its receiver's log, if it is in one; else it is lost |
 * | block that is ignored, as the driver says, or is lost, as the plan says | it is empty |
 * | source | with the input's own reader, which is built once per executor, in its scope: when it starts, or when the first task needs it |
 * | inline | in the plan |
 * | a value of an RDD of the program's own reading | with the reader that stands in the RDD, built and kept likewise |
 *
 * Bytes of a block are decoded part by part, so that a long block gives way. A lost block ends the read with
 * BlockLost, which names the executors that should hold it and do not: what becomes of it is the driver's decision. An error of
 * the reader or the decoder is the input's error.
 */
import { Cause, Context, Effect, Exit, Result, Scope } from "effect"
import { type BlockContents, recordsOfPart } from "../../core/blocks/BlockContents.ts"
import type { LogPosition } from "../../core/wal/LogPosition.ts"
import type { BlockId } from "../../core/blocks/ReceivedBlock.ts"
import type { PartitionSpec } from "../../core/dstream/BatchPlan.ts"
import {
  chunkOf,
  type ChunkReader,
  type InputDefinition,
  type InputReader,
  type ReaderOf
} from "../../core/dstream/InputDStream.ts"
import { describeError } from "../../core/protocol/describeError.ts"
import type { Places } from "../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorId, StreamId } from "../../core/protocol/Ids.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import type { ChainSource } from "../../core/rdd/Stage.ts"
import type { LoggedBlocks } from "./blocks/LoggedBlocks.ts"
import type { Peers } from "./Peers.ts"
import { cannotLeave, failed, failedOf, type FaultPlace, TaskFault } from "./TaskFault.ts"

/** The blocks that this executor holds, in memory or on disk. */
export interface LocalBlocks {
  readonly get: (block: BlockId) => Effect.Effect<BlockContents | undefined, unknown>
  /** The logs of receivers; undefined: the app has no checkpoint place. */
  readonly logged?: LoggedBlocks | undefined
}

type AnyInput = InputDefinition<any, any, any>
type InputSource = Extract<ChainSource, { readonly kind: "input" }>
type OwnSource = Extract<ChainSource, { readonly kind: "reading" }>
type BlockSpec = Extract<PartitionSpec, { readonly kind: "block" }>

export interface BlockReaderOptions {
  readonly executor: ExecutorId
  readonly peers: Pick<Peers, "fetch">
  readonly blocks: LocalBlocks
  readonly inputs: (stream: StreamId) => AnyInput | undefined
  /** Readers that are built at once, so that no task waits for it; what fails is for the first task to find. */
  readonly ahead?: ReadonlyArray<ReaderOf<unknown>> | undefined
  /** What the app's layer provides. */
  readonly context: Context.Context<any>
}

export interface BlockReader {
  readonly read: (
    source: InputSource,
    places: Pick<Places, "blocks" | "ignored">
  ) => Effect.Effect<ChunkReader<unknown, TaskFault>, TaskFault>
  readonly readOwn: (source: OwnSource) => Effect.Effect<ChunkReader<unknown, TaskFault>, TaskFault>
}

export const make = Effect.fnUntraced(
  function* (options: BlockReaderOptions): Effect.fn.Return<BlockReader, never, Border | Scope.Scope> {
    const border = yield* Border
    const built = yield* makeReaders(options)
    for (const reader of options.ahead ?? []) yield* Effect.forkScoped(Effect.exit(built(reader)))
    return {
      readOwn: ({ operator, partition, reader, time, value }) =>
        readWith(options, built(reader), { value, time, partition }, operator),
      read: (source, places) => {
        const { partition, spec, stream } = source
        switch (spec.kind) {
          case "block":
            return spec.lost === true || places.ignored.includes(spec.block)
              ? Effect.succeed(chunkOf([]))
              : readBlock(options, border, source, spec, places.blocks)
          case "inline":
            return Effect.try({
              try: () => chunkOf(border.unpack(spec.data) as ReadonlyArray<unknown>),
              catch: (error) => failed({ operator: stream, partition }, error)
            })
          case "source":
            return readSource(options, source, spec, built)
        }
      }
    }
  }
)

/** The reader that an Effect builds, known by that Effect. */
type Built = (reader: ReaderOf<unknown>) => Effect.Effect<InputReader<unknown>, unknown>

/** Each reader is built once; one that could not be built is tried again by the next task. */
const makeReaders = Effect.fnUntraced(
  function* ({ context }: BlockReaderOptions): Effect.fn.Return<Built, never, Scope.Scope> {
    const scope = yield* Effect.scope
    const around = Context.add(context, Scope.Scope, scope) as Context.Context<any>
    const readers = new Map<ReaderOf<unknown>, Effect.Effect<InputReader<unknown>, unknown>>()
    return (reader) =>
      Effect.suspend(() => {
        const known = readers.get(reader)
        if (known !== undefined) return known
        const build = reader.pipe(
          Effect.provideContext(around),
          Effect.tapCause(() => Effect.sync(() => readers.delete(reader)))
        )
        return Effect.flatMap(Effect.cached(build), (cached) => {
          if (!readers.has(reader)) readers.set(reader, cached)
          return readers.get(reader)!
        })
      })
  }
)

const readSource = (
  options: BlockReaderOptions,
  { partition, stream, time }: InputSource,
  { value }: Extract<PartitionSpec, { readonly kind: "source" }>,
  built: Built
): Effect.Effect<ChunkReader<unknown, TaskFault>, TaskFault> => {
  const input = options.inputs(stream)
  const reader = input?.kind === "direct"
    ? built(input.reader)
    : Effect.fail(new Error(`"${stream}" is no input of this program that is read by a reader of its own`))
  return readWith(options, reader, { value, time, partition }, stream)
}

const readWith = (
  { context }: BlockReaderOptions,
  built: Effect.Effect<InputReader<unknown>, unknown>,
  part: Parameters<InputReader<unknown>["read"]>[0],
  operator: StreamId
): Effect.Effect<ChunkReader<unknown, TaskFault>, TaskFault> => {
  const asFault = <A>(effect: Effect.Effect<A, unknown>): Effect.Effect<A, TaskFault> =>
    Effect.catchCause(effect, (cause) => Effect.fail(failedOf({ operator, partition: part.partition }, cause)))
  return built.pipe(
    Effect.flatMap((reader) => reader.read(part)),
    Effect.provideContext(context),
    asFault,
    Effect.map((reader) => ({ next: asFault(Effect.provideContext(reader.next, context)) }))
  )
}

const readBlock = (
  options: BlockReaderOptions,
  border: Border["Service"],
  { partition, stream }: InputSource,
  spec: BlockSpec,
  places: Places["blocks"]
): Effect.Effect<ChunkReader<unknown, TaskFault>, TaskFault> => {
  const input = options.inputs(stream)
  const decode = input?.kind === "receiver" ? input.decode : undefined
  const holders = places.find(([id]) => id === spec.block)?.[1] ?? []
  const place = { operator: stream, partition }
  return Effect.map(
    findBlock(options, border, spec, holders, place),
    (contents) => partsOf(contents, decode, place)
  )
}

/** Here, else at the holders, one after the other, else in the log; an answer that does not decode is none. */
const findBlock = Effect.fnUntraced(function* (
  { blocks, executor, peers }: BlockReaderOptions,
  border: Border["Service"],
  { block, log }: BlockSpec,
  holders: ReadonlyArray<ExecutorId>,
  place: FaultPlace
): Effect.fn.Return<BlockContents, TaskFault> {
  const reasons: Array<string> = []
  const notAt: Array<ExecutorId> = []
  const note = (where: string, why: string) => void reasons.push(`${where}: ${why}`)
  const here = yield* Effect.exit(blocks.get(block))
  if (Exit.isFailure(here)) note("this executor", describeError(Cause.squash(here.cause)))
  else if (here.value !== undefined) return here.value
  for (const holder of holders) {
    if (holder === executor) {
      if (Exit.isSuccess(here)) notAt.push(holder)
      continue
    }
    const answer = yield* peers.fetch(holder, { kind: "FetchBlock", block }).pipe(
      Effect.catch(() => Effect.sync(() => note(holder, "it is gone")))
    )
    if (answer === undefined) continue
    const { failure, found, unreadable } = answer
    if (failure !== undefined) return yield* Effect.fail(cannotLeave(place, failure))
    if (found === undefined) {
      note(holder, unreadable ?? "it does not hold this block")
      if (unreadable === undefined) notAt.push(holder)
    } else {
      const contents = yield* Effect.try({
        try: () => border.unpack(found) as BlockContents,
        catch: describeError
      }).pipe(Effect.catch((why) => Effect.sync(() => note(holder, why))))
      if (contents !== undefined) return contents
    }
  }
  if (log !== undefined) {
    const logged = yield* Effect.result(readLogged(blocks, block, log, place))
    if (Result.isSuccess(logged)) return logged.success
    if (logged.failure instanceof TaskFault) return yield* Effect.fail(logged.failure)
    note("its log", logged.failure)
  }
  const reason = reasons.length > 0 ? reasons.join("; ") : "no executor is known to hold it"
  return yield* Effect.fail(new TaskFault({ kind: "BlockLost", block, reason, notAt }))
})

/** Fails with why the log cannot give it ever; a storage that cannot be asked is a fault of this task. */
const readLogged = (
  { logged }: LocalBlocks,
  block: BlockId,
  position: LogPosition,
  place: FaultPlace
): Effect.Effect<BlockContents, string | TaskFault> =>
  logged === undefined ? Effect.fail("this executor has no checkpoint place") : Effect.mapError(
    logged.read(block, position),
    (error) => error._tag === "StorageError" ? failed(place, error) : error.message
  )

/** A chunk per part of the block, decoded when it is its turn. */
const partsOf = (
  { parts }: BlockContents,
  decode: ((bytes: Uint8Array) => ReadonlyArray<unknown>) | undefined,
  place: FaultPlace
): ChunkReader<unknown, TaskFault> => {
  let at = 0
  return {
    next: Effect.suspend(() => {
      const part = parts[at++]
      if (part === undefined) return Effect.undefined
      return part.kind === "records" ? Effect.succeed(part.records) : Effect.try({
        try: () => recordsOfPart(part, decode),
        catch: (error) => failed(place, error)
      })
    })
  }
}
