/**
 * WriteAheadLogBasedHandler: makes a block safe in a write-ahead log and, in parallel, keeps it on this executor. Each attempt of a
 * receiver has a log of its own.
 *
 * | the log | the block store | the block |
 * | --- | --- | --- |
 * | has it | has it | is safe, and read from here |
 * | has it | has no room, or fails | is safe, and read from the log |
 * | fails | has it or not | is refused: it is in no batch, and not kept |
 * | neither is done within `blockStoreTimeout` | | is refused |
 *
 * A refused block may be in the log all the same: nobody will ever refer to it. The block is encoded once. The log is opened with the
 * first block; one that could not be opened is tried again with the next. With each block goes which files of the log may still hold
 * blocks that the driver does not know of (`logFrom`). Source: Spark Streaming's `WriteAheadLogBasedBlockHandler`, which fails
 * where the block store has no room.
 */
import { Effect, Result, Semaphore } from "effect"
import { type BlockContents, recordCount } from "../../../core/blocks/BlockContents.ts"
import * as BlockRecord from "../../../core/blocks/BlockRecord.ts"
import type { BlockId } from "../../../core/blocks/ReceivedBlock.ts"
import type { ExecutorId } from "../../../core/protocol/Ids.ts"
import type { RecordCodec } from "../../../core/protocol/RecordCodec.ts"
import type { StorageLevel } from "../../../core/receiving/StorageLevel.ts"
import type { Millis } from "../../../core/time/Time.ts"
import type { LogError } from "../../storage/logErrors.ts"
import type { WriteAheadLog } from "../../storage/WriteAheadLog.ts"
import { messageOf } from "../TaskFault.ts"
import { BlockError, type BlockManager } from "./BlockManager.ts"
import { PendingFiles } from "./PendingFiles.ts"
import type { HandledBlock, ReceivedBlockHandler } from "./ReceivedBlockHandler.ts"

export interface Options {
  readonly executor: ExecutorId
  readonly blockManager: Pick<BlockManager, "put" | "remove">
  readonly codec: RecordCodec
  /** Opens the attempt's log; it is asked again if that failed. */
  readonly openLog: Effect.Effect<Pick<WriteAheadLog, "append">, LogError>
  readonly blockStoreTimeoutMillis: Millis
}

export const make = (options: Options): ReceivedBlockHandler => {
  const { blockManager, blockStoreTimeoutMillis, codec, executor } = options
  const log = openedOnce(options.openLog)
  const pending = new PendingFiles()

  const encode = (block: BlockId, contents: BlockContents) =>
    Effect.try({
      try: () => BlockRecord.encode(block, contents, codec),
      catch: (error) => refused(block, "Encoding", `its records cannot be written: ${messageOf(error)}`)
    })

  const append = (block: BlockId, bytes: Uint8Array) =>
    Effect.flatMap(log, (opened) => opened.append([bytes])).pipe(
      Effect.map(([position]) => position!),
      Effect.mapError(({ message, reason }) =>
        refused(block, reason === "TooLarge" ? "BlockTooLarge" : "Log", `it is not in its receiver's log: ${message}`)
      )
    )

  const late = (block: BlockId) =>
    refused(block, "Log", `it was not stored within ${blockStoreTimeoutMillis} ms (blockStoreTimeout)`)

  const store = Effect.fnUntraced(function* (block: BlockId, contents: BlockContents, level: StorageLevel) {
    const record = yield* encode(block, contents)
    pending.begin(block)
    const both = Effect.all([
      Effect.result(blockManager.put(block, contents, level, record.contents)),
      append(block, record.bytes)
    ], { concurrency: 2 })
    const done = yield* Effect.result(
      Effect.flatMap(
        Effect.timeoutOption(both, blockStoreTimeoutMillis),
        (ended) => ended._tag === "Some" ? Effect.succeed(ended.value) : Effect.fail(late(block))
      )
    )
    if (Result.isFailure(done)) {
      pending.end(block)
      yield* blockManager.remove([block])
      return yield* done.failure
    }
    const [kept, position] = done.success
    pending.placed(block, position.file)
    const handled: HandledBlock = {
      ...(Result.isSuccess(kept)
        ? { ...kept.success, locations: [executor] }
        : { records: recordCount(contents), bytes: record.contents.byteLength, locations: [] }),
      log: position,
      logFrom: pending.from()
    }
    return handled
  })

  return {
    store,
    answered: (block) => pending.end(block),
    discard: (block) => blockManager.remove([block])
  }
}

const refused = (block: BlockId, reason: BlockError["reason"], message: string) =>
  new BlockError({ block, reason, message: `block ${block} is refused: ${message}` })

/** One at a time; what was opened stays. */
const openedOnce = <A, E>(open: Effect.Effect<A, E>): Effect.Effect<A, E> => {
  const turn = Semaphore.makeUnsafe(1)
  let opened: { readonly value: A } | undefined
  return Effect.suspend(() =>
    opened !== undefined
      ? Effect.succeed(opened.value)
      : turn.withPermit(Effect.suspend(() =>
        opened !== undefined
          ? Effect.succeed(opened.value)
          : Effect.tap(open, (value) => Effect.sync(() => void (opened = { value })))
      ))
  )
}
