/**
 * ReceiverTrackerEvents: what the ReceiverTracker is told, and what it wants done. See the table at its head.
 */
import type { BlockId, ReceivedBlockInfo } from "../blocks/ReceivedBlock.ts"
import type { ReceiverMessage, ToExecutor } from "../protocol/ExecutorProtocol.ts"
import type { ExecutorId, StreamId } from "../protocol/Ids.ts"
import type { StreamingEvent } from "../scheduling/StreamingListener.ts"
import type { Millis, Time } from "../time/Time.ts"
import type { ReceiverExecutor } from "./ReceiverSchedulingPolicy.ts"

export type ReceiverTrackerEvent =
  & { readonly now: Time }
  & (
    | { readonly kind: "StartAllReceivers" }
    | { readonly kind: "RestartReceiver"; readonly stream: StreamId; readonly attempt: number }
    | { readonly kind: "CleanupOldBlocks"; readonly blocks: ReadonlyArray<ReceivedBlockInfo> }
    | { readonly kind: "UpdateReceiverRateLimit"; readonly stream: StreamId; readonly rate: number }
    | { readonly kind: "StopAllReceivers" }
    | { readonly kind: "ExecutorJoined"; readonly executor: ReceiverExecutor }
    | { readonly kind: "ExecutorLost"; readonly executor: ExecutorId; readonly reason: string }
    | {
      readonly kind: "BlocksHeld"
      readonly executor: ExecutorId
      readonly blocks: ReadonlyArray<BlockId>
    }
    | {
      readonly kind: "FromExecutor"
      readonly executor: ExecutorId
      readonly request: number
      readonly message: ReceiverMessage
    }
  )

export type ReceiverTrackerCommand =
  | { readonly kind: "Send"; readonly executor: ExecutorId; readonly message: ToExecutor }
  /** To the ReceivedBlockTracker, which answers the request. */
  | {
    readonly kind: "AddBlock"
    readonly executor: ExecutorId
    readonly request: number
    readonly info: ReceivedBlockInfo
  }
  /** Answers RegisterReceiver, after all that was added before: Accepted, with how far the records of each source are stored. */
  | {
    readonly kind: "AnswerRegistered"
    readonly executor: ExecutorId
    readonly request: number
    readonly stream: StreamId
  }
  /** Comes after all that was added before; blocks that nobody knows are to be forgotten there. */
  | { readonly kind: "BlocksHeld"; readonly executor: ExecutorId; readonly blocks: ReadonlyArray<BlockId> }
  /** RestartReceiver of this attempt after the delay. */
  | { readonly kind: "ScheduleRestart"; readonly stream: StreamId; readonly attempt: number; readonly delay: Millis }
  | { readonly kind: "Post"; readonly event: StreamingEvent }
  | { readonly kind: "AllReceiversStopped" }
