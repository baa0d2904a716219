/**
 * A supervised receiver for tests: one that writes down its calls, and a driver that is a list of messages.
 */
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { recordsOf } from "../../core/blocks/BlockContents.ts"
import type { ReceivedBlockInfo } from "../../core/blocks/ReceivedBlock.ts"
import type { ReceiverAnswer, ReceiverMessage } from "../../core/protocol/ExecutorProtocol.ts"
import type { Receiver, Store } from "../../core/receiving/Receiver.ts"
import { defaults, type ReceivingSettings } from "../../core/receiving/ReceivingSettings.ts"
import * as BlockManager from "../../runtime/executor/blocks/BlockManager.ts"
import type { Copy } from "../../runtime/executor/blocks/BlockReplicator.ts"
import { blockManagerBased, type ReceivedBlockHandler } from "../../runtime/executor/blocks/ReceivedBlockHandler.ts"
import * as ReceiverSupervisor from "../../runtime/executor/ReceiverSupervisor.ts"
import * as BlockStorage from "../../runtime/storage/BlockStorage.ts"

export const accepted: ReceiverAnswer = { kind: "Accepted" }
const noCodec = {
  encode: () => new ArrayBuffer(0),
  decode: () => []
}

/** A receiver that writes down its calls and hands out its store. */
export const recorder = (options: Partial<Receiver<any, unknown, never>> = {}) => {
  const calls: Array<string> = []
  const stores: Array<Store<any>> = []
  const receiver: Receiver<any, unknown, never> = {
    name: "recorder",
    storageLevel: "MEMORY_ONLY",
    preferredHost: undefined,
    onStart: (store) =>
      Effect.gen(function* () {
        calls.push("onStart")
        stores.push(store)
        yield* Effect.addFinalizer(() => Effect.sync(() => calls.push("closed")))
      }),
    onStop: Effect.sync(() => void calls.push("onStop")),
    ...options
  }
  return { calls, stores, receiver, store: () => stores.at(-1)! }
}

interface Setup {
  readonly receiver: Receiver<any, unknown, never>
  readonly settings?: Partial<ReceivingSettings>
  readonly rateLimit?: number
  readonly memoryLimitBytes?: number
  /** What becomes of the copies of its blocks. Nobody else is there. */
  readonly copy?: () => Copy
  /** What makes its blocks safe; the block manager, if not given. */
  readonly handler?: (blocks: BlockManager.BlockManager) => ReceivedBlockHandler
  /** Undefined: no answer. */
  readonly answer?: (message: ReceiverMessage) => ReceiverAnswer | undefined
}

export const supervised = (setup: Setup) =>
  Effect.gen(function* () {
    const messages: Array<ReceiverMessage> = []
    const blocks = BlockManager.make({
      storage: BlockStorage.memory(),
      codec: noCodec,
      memoryLimitBytes: setup.memoryLimitBytes
    })
    const handle = yield* ReceiverSupervisor.start({
      stream: "s",
      attempt: 4,
      epoch: 2,
      receiver: setup.receiver,
      handler: setup.handler?.(blocks) ?? blockManagerBased(blocks, "e1", {
        copy: () => Effect.sync(() => setup.copy?.() ?? { partner: undefined, refusals: [] }),
        discard: () => {}
      }),
      ask: (message) =>
        Effect.suspend(() => {
          messages.push(message)
          const answer = setup.answer === undefined ? accepted : setup.answer(message)
          return answer === undefined ? Effect.never : Effect.succeed(answer)
        }),
      tell: (message) => void messages.push(message),
      settings: { ...defaults, ...setup.settings },
      rateLimit: setup.rateLimit
    })
    yield* TestClock.adjust(0)
    const infos = (): ReadonlyArray<ReceivedBlockInfo> => messages.flatMap((m) => m.kind === "AddBlock" ? [m.info] : [])
    const stored = Effect.fnUntraced(function* () {
      const lists: Array<ReadonlyArray<unknown>> = []
      for (const { block } of infos()) {
        const contents = yield* blocks.get(block)
        if (contents !== undefined) lists.push(recordsOf(contents, (bytes) => Array.from(bytes)))
      }
      return lists
    })
    const kinds = () => messages.map(({ kind }) => kind)
    const errors = () => messages.flatMap((m) => m.kind === "ReportError" ? [m.message] : [])
    return { handle, messages, blocks, infos, stored, kinds, errors }
  })
