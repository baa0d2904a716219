/**
 * BatchPlan: everything about one batch that is not a function of the program: its inputs, its side values, its cuts.
 *
 * The driver writes it before the batch counts; executors derive the lineage from graph and plans alone. Hints, such as the
 * places of blocks, travel with tasks and are never part of it.
 */
import type { LogPosition } from "../wal/LogPosition.ts"
import type { BlockId, ReceivedBlockInfo } from "../blocks/ReceivedBlock.ts"
import type { StreamId } from "../protocol/Ids.ts"
import type { Time } from "../time/Time.ts"

/** What one partition of an input is made of. */
export type PartitionSpec =
  /** A block that a receiver stored. */
  | {
    readonly kind: "block"
    readonly block: BlockId
    readonly records: number | undefined
    /** Where it can be read when no executor holds it; undefined: nowhere. */
    readonly log?: LogPosition | undefined
    /** Nobody can read it any more: it is empty. */
    readonly lost?: boolean | undefined
  }
  /** Something the input's own source can read, described by plain data (a file, a range of offsets, an index). */
  | {
    readonly kind: "source"
    readonly value: unknown
    readonly records: number | undefined
    /** What has the same number is read by the same executor, batch after batch, where that can be; the place in the batch. */
    readonly affinity?: number | undefined
  }
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
  /** Where the input stands after this batch, by place, as far as that changed. */
  readonly positions?: ReadonlyArray<Position> | undefined
}

/** How far an input has been planned at one of its places, such as a partition of a topic: plain data, of its planner's own. */
export type Position = readonly [place: string, position: unknown]

/** What began later than the app itself: in every plan of an app whose program was changed. */
export interface History {
  /** Batches at or before this time are not known to the operators that came later: for them there are no inputs then. */
  readonly horizon: Time
  /** Stateful operators that have no versions at or before a time: they came, or began anew, after it. */
  readonly births: ReadonlyArray<readonly [operator: StreamId, time: Time]>
}

/** What a plan has besides the blocks of receivers: all that the world was asked. */
export interface Asked {
  /** When the app first started; batches are whole slides after it. The same in every plan of an app, whoever is its driver. */
  readonly zeroTime: Time
  /** Between this time and the batch's there are no batches: their ticks were missed, or they could not be planned. */
  readonly missedSince?: Time | undefined
  readonly history?: History | undefined
  /** Of inputs that the driver asks; those of receivers are made of the blocks. */
  readonly inputs: ReadonlyArray<InputAllocation>
  /** Side values by id, as their schema encodes them. */
  readonly sideValues: ReadonlyArray<readonly [id: string, value: unknown]>
}

export interface BatchPlan extends Asked {
  readonly time: Time
}

/** The plan of a batch: received blocks, by stream, before what the world was asked. */
export const planOf = (
  time: Time,
  blocks: Iterable<readonly [StreamId, ReadonlyArray<ReceivedBlockInfo>]>,
  asked: Asked
): BatchPlan => ({
  ...asked,
  time,
  inputs: [...Array.from(blocks, ([stream, infos]) => ofBlocks(stream, infos)), ...asked.inputs]
})

const ofBlocks = (stream: StreamId, blocks: ReadonlyArray<ReceivedBlockInfo>): InputAllocation => ({
  stream,
  records: blocks.reduce((sum, { lost, records = 0 }) => sum + (lost === true ? 0 : records), 0),
  partitions: blocks.map(({ block, log, lost, records }) => ({
    kind: "block",
    block,
    records: lost === true ? 0 : records,
    ...(log === undefined ? {} : { log }),
    ...(lost === true ? { lost } : {})
  }))
})
