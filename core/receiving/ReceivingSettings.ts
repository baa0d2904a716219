/**
 * ReceivingSettings: every number that receiving depends on, with its default. Those that users set come from the app's
 * settings (`fromSettings`); the others are limits that protect a process.
 */
import type { Settings } from "../settings/Settings.ts"
import type { Millis } from "../time/Time.ts"

export interface ReceivingSettings {
  /** How often collected records are cut into a block. (`spark.streaming.blockInterval`) */
  readonly blockIntervalMillis: Millis
  /** Cut blocks that may wait to be pushed. (`spark.streaming.blockQueueSize`) */
  readonly blockQueueSize: number
  /** Buffered records from which on `single` and `chunk` answer false. */
  readonly bufferedRecordsSoftMax: number
  /** Buffered records beyond which more are refused. */
  readonly bufferedRecordsHardMax: number
  /** The same for bytes: of records by estimate, of encoded records as they are. */
  readonly bufferedBytesSoftMax: number
  readonly bufferedBytesHardMax: number
  /** Records a second that a receiver may store at most; undefined: no limit. (`spark.streaming.receiver.maxRate`) */
  readonly maxRate: number | undefined
  /** Records a second before the first estimate. (`spark.streaming.backpressure.initialRate`) */
  readonly initialRate: number | undefined
  /** Pause before a receiver starts again. (`spark.streaming.receiverRestartDelay`) */
  readonly receiverRestartDelayMillis: Millis
  /** The pause doubles with each quick failure up to this. */
  readonly receiverRestartDelayMaxMillis: Millis
  /** A receiver that lived for so long has no quick failures any more. */
  readonly receiverLivedMillis: Millis
  /** A message that is unanswered for so long is sent again. */
  readonly askTimeoutMillis: Millis
  /** Pause before a block is stored again that found the memory full. */
  readonly storeRetryMillis: Millis
  /** How long a stop that is not graceful waits for receivers. */
  readonly stopWaitMillis: Millis
}

const mebibyte = 1024 * 1024

export const defaults: ReceivingSettings = {
  blockIntervalMillis: 200,
  blockQueueSize: 10,
  bufferedRecordsSoftMax: 1_000_000,
  bufferedRecordsHardMax: 2_000_000,
  bufferedBytesSoftMax: 64 * mebibyte,
  bufferedBytesHardMax: 128 * mebibyte,
  maxRate: undefined,
  initialRate: undefined,
  receiverRestartDelayMillis: 2000,
  receiverRestartDelayMaxMillis: 60_000,
  receiverLivedMillis: 60_000,
  askTimeoutMillis: 5000,
  storeRetryMillis: 200,
  stopWaitMillis: 2000
}

export const fromSettings = (
  settings: Settings
): ReceivingSettings => ({
  ...defaults,
  blockIntervalMillis: settings.blockIntervalMillis,
  blockQueueSize: settings.blockQueueSize,
  receiverRestartDelayMillis: settings.receiverRestartDelayMillis,
  maxRate: settings.receiverMaxRate,
  initialRate: settings.backpressure ? settings.backpressureInitialRate : undefined
})
