/**
 * What goes wrong with write-ahead logs: `LogError` where records could not be written, `LogDamaged` where what was written is not
 * there any more.
 */
import { Schema } from "effect"
import type { StorageError } from "./StableStorage.ts"

/** Records were not written, or not known to be: of those of one append, none counts, or all that are found. */
export class LogError extends Schema.TaggedError<LogError>()("LogError", {
  /**
   * Unavailable, Full, ReadOnly, Invalid: as storage said, after all attempts. Taken: another writes this log. TooLarge: more bytes
   * than a log takes at once. Closed: the log was closed. Broken: records that were offered before could not be written.
   */
  reason: Schema.Literals(["Unavailable", "Full", "ReadOnly", "Invalid", "Taken", "TooLarge", "Closed", "Broken"]),
  log: Schema.String,
  message: Schema.String
}) {}

/** Bytes that were durable are not as they were written. */
export class LogDamaged extends Schema.TaggedError<LogDamaged>()("LogDamaged", {
  file: Schema.String,
  offset: Schema.Number,
  message: Schema.String
}) {}

/** With what to do about it. */
export const logDamaged = (place: string, file: string, offset: number, reason: string): LogDamaged =>
  new LogDamaged({
    file,
    offset,
    message:
      `${file} in ${place} is damaged at byte ${offset}: ${reason}. It holds what was durable and is needed: put back ` +
      "the file as it was written, from a copy of it, or give up what it held and start anew in another checkpoint directory"
  })

export const fromStorage = (log: string, error: StorageError): LogError =>
  new LogError({ reason: error.reason, log, message: `the log ${log} could not be written: ${error.message}` })

export const logTaken = (log: string, file: string): LogError =>
  new LogError({
    reason: "Taken",
    log,
    message:
      `the log ${log} is written by another: ${file} is there, and not made by this writer. Each epoch and each attempt ` +
      "has a log of its own: see that no second process runs under the same"
  })
