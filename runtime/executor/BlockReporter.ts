/**
 * BlockReporter: makes blocks of one receiver attempt safe and reports them to the driver: identity, handler, AddBlock.
 *
 * A block counts once the driver answered Accepted. AddBlock is sent again while unanswered: it is idempotent by the block's
 * identity. A block that the driver refuses is discarded. Storing goes on when whoever asked for it is interrupted, so that a
 * block that the driver counts is never thrown away; `awaitAll` waits for all of them. A block that is less safe than its level
 * says is reported once, and again after one that was as safe.
 */
import { Effect, Fiber, FiberSet, type Scope } from "effect"
import type { BlockContents } from "../../core/blocks/BlockContents.ts"
import { blockId } from "../../core/blocks/ReceivedBlock.ts"
import type { ReceiverAnswer, ReceiverMessage } from "../../core/protocol/ExecutorProtocol.ts"
import type { StreamId } from "../../core/protocol/Ids.ts"
import type { GeneratedBlock } from "../../core/receiving/BlockGenerator.ts"
import { type StorageLevel, StoreError } from "../../core/receiving/Receiver.ts"
import type { ReceivingSettings } from "../../core/receiving/ReceivingSettings.ts"
import type { BlockError } from "./blocks/BlockManager.ts"
import type { ReceivedBlockHandler } from "./blocks/ReceivedBlockHandler.ts"

/** Asks the driver once; it may never answer. */
export type Ask = (message: ReceiverMessage) => Effect.Effect<ReceiverAnswer>

/** Asks again while there is no answer. */
export const askUntilAnswered = (ask: Ask, timeoutMillis: number): Ask => (message) => {
  const once = Effect.timeoutOption(ask(message), timeoutMillis)
  return Effect.gen(function* () {
    while (true) {
      const answer = yield* once
      if (answer._tag === "Some") return answer.value
    }
  })
}

export interface BlockReporter {
  /** Begins to store a block of its own, which has its place among the others then; the outcome fails if it is not safe and counted. */
  readonly report: (contents: BlockContents) => Effect.Effect<Effect.Effect<void, StoreError>>
  /** A generated block: waits while the memory is full; what cannot be stored is reported with the number of records lost. */
  readonly push: (block: GeneratedBlock) => Effect.Effect<void>
  /** Every AddBlock is answered. */
  readonly awaitAll: Effect.Effect<void>
}

export const make = (options: {
  readonly stream: StreamId
  readonly attempt: number
  readonly epoch: number
  readonly level: StorageLevel
  readonly handler: ReceivedBlockHandler
  /** Answers in the end. */
  readonly ask: Ask
  readonly settings: Pick<ReceivingSettings, "storeRetryMillis">
  readonly reportError: (message: string) => void
  /** Told of every record of a generated block that could not be stored, before it is reported. */
  readonly lost: (records: number) => void
}): Effect.Effect<BlockReporter, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { stream, attempt, epoch, level, handler, ask, settings, reportError, lost } = options
    const inFlight = yield* FiberSet.make<void, StoreError | BlockError>()
    let next = 0
    let degraded = false

    const storeAndReport = Effect.fnUntraced(function* (contents: BlockContents, sequence: number) {
      const block = blockId({ stream, epoch, attempt, sequence })
      const { degraded: why, ...handled } = yield* handler.store(block, contents, level)
      if (why !== undefined && !degraded) reportError(`From here on blocks are less safe than ${level} says: ${why}`)
      degraded = why !== undefined
      const answer = yield* ask({ kind: "AddBlock", info: { block, stream, attempt, sequence, ...handled } })
      if (answer.kind === "Accepted") return
      yield* handler.discard(block)
      return yield* new StoreError({ stream, message: `the driver refused block ${block}: ${answer.reason}` })
    })

    const detached = (contents: BlockContents, sequence: number) =>
      FiberSet.run(inFlight, storeAndReport(contents, sequence))

    const outcome = (storing: Fiber.Fiber<void, StoreError | BlockError>) =>
      Effect.catchTag(
        Fiber.join(storing),
        "BlockError",
        (error) => Effect.fail(new StoreError({ stream, message: error.message }))
      )

    const report = (contents: BlockContents) => Effect.map(Effect.suspend(() => detached(contents, next++)), outcome)

    const push = (generated: GeneratedBlock) =>
      Effect.gen(function* () {
        const sequence = next++
        let told = false
        while (true) {
          const result = yield* Effect.result(Effect.flatMap(detached(generated.contents, sequence), Fiber.join))
          if (result._tag === "Success") return
          const error = result.failure
          if (error._tag !== "BlockError" || error.reason !== "MemoryFull") {
            lost(generated.records)
            return reportError(`${generated.records} records are lost: ${error.message}`)
          }
          if (!told) reportError(`A block waits for memory: ${error.message}`)
          told = true
          yield* Effect.sleep(settings.storeRetryMillis)
        }
      })

    return { report, push, awaitAll: FiberSet.awaitEmpty(inFlight) }
  })
