/**
 * InputInfoTracker: how many records each input stream brought to each batch.
 *
 * A stream reports once per batch, and never a negative count; what breaks this is refused and changes nothing. One owner,
 * the job generator; infos are kept until `cleanup`. Source: Spark Streaming's `InputInfoTracker` and `StreamInputInfo`.
 */
import { Result, Schema } from "effect"
import type { StreamId } from "../protocol/Ids.ts"
import type { Time } from "../time/Time.ts"

export interface InputInfo {
  readonly stream: StreamId
  readonly records: number
  /** Where the records came from, for people: files, ranges of offsets. */
  readonly description?: string | undefined
  /** Records a second that the stream was allowed when the batch was made; undefined: as many as come. */
  readonly rate?: number | undefined
}

/** A stream reported a second time for one batch. */
export class InputInfoReportedTwice extends Schema.TaggedError<InputInfoReportedTwice>()("InputInfoReportedTwice", {
  stream: Schema.String,
  time: Schema.Number,
  message: Schema.String
}) {}

/** A stream reported a count of records that no batch can have. */
export class InvalidInputInfo extends Schema.TaggedError<InvalidInputInfo>()("InvalidInputInfo", {
  stream: Schema.String,
  time: Schema.Number,
  message: Schema.String
}) {}

export type InputInfoError = InputInfoReportedTwice | InvalidInputInfo

export class InputInfoTracker {
  private readonly batches = new Map<Time, Map<StreamId, InputInfo>>()

  report(time: Time, info: InputInfo): Result.Result<void, InputInfoError> {
    const { stream, records } = info
    if (!Number.isInteger(records) || records < 0) {
      const message = `input ${stream} reported ${records} records for the batch of ${time} ms: ` +
        "a count is a whole number of at least 0; correct what its planner answers"
      return Result.fail(new InvalidInputInfo({ stream, time, message }))
    }
    const batch = this.batches.get(time) ?? new Map<StreamId, InputInfo>()
    if (batch.has(stream)) {
      const message = `input ${stream} reported a second time for the batch of ${time} ms: ` +
        "a stream has one part in a batch; give the two inputs names of their own"
      return Result.fail(new InputInfoReportedTwice({ stream, time, message }))
    }
    this.batches.set(time, batch.set(stream, info))
    return Result.void
  }

  /** The infos of a batch in the order in which they were reported. */
  get(time: Time): ReadonlyArray<InputInfo> {
    return [...this.batches.get(time)?.values() ?? []]
  }

  /** Forgets the batches at or before `time`. */
  cleanup(time: Time): void {
    for (const batch of [...this.batches.keys()]) if (batch <= time) this.batches.delete(batch)
  }
}
