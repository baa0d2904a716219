/**
 * BatchPlan: everything about one batch that is not a function of the program: its inputs, its side values, its cuts.
 *
 * The driver writes it before the batch counts; executors derive the lineage from graph and plans alone. Hints, such as the
 * places of blocks, travel with tasks and are never part of it.
 */
import type { BlockId } from "../blocks/ReceivedBlock.ts"
import type { StreamId } from "../protocol/Ids.ts"
import type { Time } from "../time/Time.ts"

/** What one partition of an input is made of. */
export type PartitionSpec =
  /** A block that a receiver stored. */
  | { readonly kind: "block"; readonly block: BlockId; readonly records: number | undefined }
  /** Something the input's own source can read, described by plain data (a file, a range of offsets, an index). */
  | { readonly kind: "source"; readonly value: unknown; readonly records: number | undefined }
  /** The records themselves, encoded: for inputs that live only in the driver. */
  | { readonly kind: "inline"; readonly data: Payload; readonly records: number }

/** Records on their way: by reference inside a process, as bytes across an executor's border. */
export type Payload =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "bytes"; readonly bytes: ArrayBuffer }

/** The part of one input stream in a batch. No entry: the stream has no data set at this time. */
export interface InputAllocation {
  readonly stream: StreamId
  readonly records: number
  readonly partitions: ReadonlyArray<PartitionSpec>
  /** Where the records come from, for people. */
  readonly description?: string | undefined
}

export interface BatchPlan {
  readonly time: Time
  /** When the app first started; batches are whole slides after it. The same in every plan of a run. */
  readonly zeroTime: Time
  /** Between this time and the batch's there are no batches: their ticks were missed, or they could not be planned. */
  readonly missedSince?: Time | undefined
  readonly inputs: ReadonlyArray<InputAllocation>
  /** Side values by id, as their schema encodes them. */
  readonly sideValues: ReadonlyArray<readonly [id: string, value: unknown]>
}
