/**
 * TrackedReceiver: what the driver's ReceiverTracker, its one owner, knows of one receiver.
 */
import type { ExecutorId, StreamId } from "../protocol/Ids.ts"
import type { ReceiverInfo } from "../scheduling/StreamingListener.ts"
import type { Millis, Time } from "../time/Time.ts"
import type { ReceivingSettings } from "./ReceivingSettings.ts"
import type { ReceiverState } from "./ReceiverSchedulingPolicy.ts"

/** A receiver of the graph. */
export interface ReceiverOfGraph {
  readonly stream: StreamId
  readonly name: string
  readonly preferredHost: string | undefined
}

export interface TrackedReceiver extends ReceiverOfGraph {
  state: ReceiverState
  /** The last launched; 0: none yet. */
  attempt: number
  /** The attempt that registered last. */
  registered: number | undefined
  /** Whether the job of `attempt` runs, as far as known. */
  launched: boolean
  /** Launched as soon as an executor joins. */
  waitsForExecutor: boolean
  candidates: ReadonlyArray<ExecutorId>
  executor: ExecutorId | undefined
  rate: number | undefined
  activeSince: Time | undefined
  quickFailures: number
  lastErrorMessage: string
  lastError: string | undefined
  lastErrorTime: Time | undefined
}

export const track = (receiver: ReceiverOfGraph): TrackedReceiver => ({
  ...receiver,
  state: "Inactive",
  attempt: 0,
  registered: undefined,
  launched: false,
  waitsForExecutor: false,
  candidates: [],
  executor: undefined,
  rate: undefined,
  activeSince: undefined,
  quickFailures: 0,
  lastErrorMessage: "",
  lastError: undefined,
  lastErrorTime: undefined
})

export type RestartSettings = Pick<
  ReceivingSettings,
  "receiverRestartDelayMillis" | "receiverRestartDelayMaxMillis" | "receiverLivedMillis"
>

/** Pause before a restart after so many failures in quick succession. */
export const restartDelay = (settings: RestartSettings, quickFailures: number): Millis =>
  Math.min(
    Math.max(settings.receiverRestartDelayMillis, settings.receiverRestartDelayMaxMillis),
    settings.receiverRestartDelayMillis * 2 ** Math.min(quickFailures, 30)
  )

export const noteError = (receiver: TrackedReceiver, message: string, error: string | undefined, now: Time): void => {
  receiver.lastErrorMessage = message
  receiver.lastError = error
  receiver.lastErrorTime = error === undefined ? undefined : now
}

/** A run begins without the errors of those before it. */
export const clearError = (receiver: TrackedReceiver): void => {
  receiver.lastErrorMessage = ""
  receiver.lastError = undefined
  receiver.lastErrorTime = undefined
}

/** As listeners see it. */
export const infoOf = (receiver: TrackedReceiver, host: string | undefined): ReceiverInfo => ({
  stream: receiver.stream,
  name: receiver.name,
  active: receiver.state === "Active",
  host,
  executor: receiver.executor,
  lastErrorMessage: receiver.lastErrorMessage,
  lastError: receiver.lastError,
  lastErrorTime: receiver.lastErrorTime
})
