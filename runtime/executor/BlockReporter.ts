/**
 * BlockReporter: makes blocks of one receiver attempt safe and reports them to the driver: identity, handler, AddBlock.
 *
 * A block counts once the driver answered Accepted. AddBlock is sent again while unanswered: it is idempotent by the block's
 * identity. A block that the driver refuses is discarded. Storing goes on when whoever asked for it is interrupted, so that a
 * block that the driver counts is never thrown away; `awaitAll` waits for all of them. A block that is less safe than its level
 * says is reported once, and again after one that was as safe. Numbered records of a source go in order (`SourceOrder`).
 *
 * A generated block that cannot be stored for now, because the memory is full, or the receiver's log or the driver's fails, is tried
 * again for as long as it takes, under its own identity: meanwhile the next ones wait, and the receiver is held back.
 */
import { Effect, Exit, Fiber, FiberSet, type Scope } from "effect"
import type { BlockContents } from "../../core/blocks/BlockContents.ts"
import { blockId } from "../../core/blocks/ReceivedBlock.ts"
import type { ReceiverAnswer, ReceiverMessage } from "../../core/protocol/ExecutorProtocol.ts"
import type { StreamId } from "../../core/protocol/Ids.ts"
import type { GeneratedBlock } from "../../core/receiving/BlockGenerator.ts"
import { type StorageLevel, StoreError } from "../../core/receiving/Receiver.ts"
import type { ReceivingSettings } from "../../core/receiving/ReceivingSettings.ts"
import { BlockError } from "./blocks/BlockManager.ts"
import type { HandledBlock, ReceivedBlockHandler } from "./blocks/ReceivedBlockHandler.ts"
import type { Place } from "./SourceOrder.ts"

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
  /**
   * Begins to store a block of its own, which has its place among the others then; the outcome fails if it is not safe and counted.
   * `place`: among those of its source, which is the reporter's from now on.
   */
  readonly report: (contents: BlockContents, place?: Place) => Effect.Effect<Effect.Effect<void, StoreError>>
  /** A generated block: waits while it cannot be stored; what never can is reported with the number of records lost. */
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

    const storeAndReport = Effect.fnUntraced(function* (contents: BlockContents, sequence: number, place?: Place) {
      const block = blockId({ stream, epoch, attempt, sequence })
      const { degraded: why, ...handled } = yield* handler.store(block, contents, level)
      if (why !== undefined && !degraded) reportError(`From here on blocks are less safe than ${level} says: ${why}`)
      degraded = why !== undefined
      const refusal = place && (yield* place.turn)
      const answer = refusal === undefined ? yield* add(block, sequence, handled, place) : undefined
      handler.answered(block)
      if (answer?.kind === "Accepted" && answer.repeated !== true) return
      yield* handler.discard(block)
      if (answer?.kind === "Accepted") return
      if (answer === undefined) {
        return yield* new StoreError({ stream, message: `block ${block} is not stored: ${refusal}` })
      }
      const message = `the driver refused block ${block}: ${answer.reason}`
      return yield* answer.mayPass === true
        ? new BlockError({ block, reason: "Log", message })
        : new StoreError({ stream, message })
    })

    const add = (block: string, sequence: number, handled: Omit<HandledBlock, "degraded">, place?: Place) => {
      const ranges = place === undefined ? {} : { ranges: [place.range] }
      return ask({ kind: "AddBlock", info: { block, stream, attempt, sequence, ...handled, ...ranges } })
    }

    const detached = (contents: BlockContents, sequence: number, place?: Place) => {
      const storing = storeAndReport(contents, sequence, place)
      return FiberSet.run(
        inFlight,
        place === undefined
          ? storing
          : Effect.onExit(storing, (exit) => Effect.sync(() => place.end(Exit.isSuccess(exit))))
      )
    }

    const outcome = (storing: Fiber.Fiber<void, StoreError | BlockError>) =>
      Effect.catchTag(
        Fiber.join(storing),
        "BlockError",
        (error) => Effect.fail(new StoreError({ stream, message: error.message }))
      )

    const report = (contents: BlockContents, place?: Place) =>
      Effect.map(Effect.suspend(() => detached(contents, next++, place)), outcome)

    const push = (generated: GeneratedBlock) =>
      Effect.gen(function* () {
        const sequence = next++
        let told = false
        let pause = settings.storeRetryMillis
        while (true) {
          const result = yield* Effect.result(Effect.flatMap(detached(generated.contents, sequence), Fiber.join))
          if (result._tag === "Success") return
          const error = result.failure
          if (error._tag !== "BlockError" || !mayPass(error)) {
            lost(generated.records)
            return reportError(`${generated.records} records are lost: ${error.message}`)
          }
          const what = error.reason === "Log" ? "its log" : "memory"
          if (!told) reportError(`A block waits for ${what}: ${error.message}`)
          told = true
          yield* Effect.sleep(pause)
          if (error.reason === "Log") pause = Math.min(logRetryMillisMax, 2 * pause)
        }
      })

    return { report, push, awaitAll: FiberSet.awaitEmpty(inFlight) }
  })

/** The pause before a log is tried again doubles up to this. */
const logRetryMillisMax = 5000

const mayPass = ({ reason }: BlockError): boolean => reason === "MemoryFull" || reason === "Log"
