/**
 * What the reference model is told of a run, and how it finds its way in time: which batches there are, how far apart those of a
 * stream are. A stream has batches at the run's batch times that are whole slides after zero time.
 */
import type { AnyDStream } from "../../core/dstream/DStream.ts"
import { HashPartitioner, type Partitioner } from "../../core/rdd/Partitioner.ts"
import type { Millis, Time } from "../../core/time/Time.ts"
import type { Partitions } from "./Partitions.ts"

/** The batches of a run. */
export interface Batches {
  readonly batchMillis: Millis
  readonly zeroTime: Time
  /** In order. A tick that was missed is none of them. */
  readonly times: ReadonlyArray<Time>
}

export interface ModelWorld {
  /** What an input stream has at a batch time; undefined: no data set. */
  readonly input: (stream: AnyDStream, time: Time) => Partitions | undefined
  readonly sideValue?: (stream: AnyDStream, key: string, time: Time) => unknown
  /** Partitions of a shuffle that was not told how many. */
  readonly defaultParallelism: number
  /** Needed where a stream looks back: for windows and states. */
  readonly batches?: Batches
}

/** A stream at a batch time, in a world. */
export interface View {
  readonly stream: AnyDStream
  readonly time: Time
  readonly world: ModelWorld
  /** A parent's partitions at a time, this one unless told otherwise; undefined: it has no data set. */
  readonly parent: (index: number, time?: Time) => Partitions | undefined
}

export const partitionerOf = ({ stream, world }: View): Partitioner => {
  const options = stream.params["options"] as { numPartitions?: number; partitioner?: Partitioner } | undefined
  return options?.partitioner ?? HashPartitioner(options?.numPartitions ?? world.defaultParallelism)
}

export const batchesOf = ({ stream, world: { batches } }: View): Batches => {
  if (batches !== undefined) return batches
  throw new Error(`${stream.kind} looks back in time: tell the model which batches there are`)
}

export const slideOf = (stream: AnyDStream, batchMillis: Millis): Millis => {
  const own = stream.params["windowSlideMillis"]
  if (own !== undefined) return own as Millis
  const [parent] = stream.parents
  return parent === undefined ? batchMillis : slideOf(parent, batchMillis)
}

/** The times at which a stream has a batch, in order. */
export const timesOf = (stream: AnyDStream, { batchMillis, times, zeroTime }: Batches): ReadonlyArray<Time> => {
  const slide = slideOf(stream, batchMillis)
  return times.filter((time) => time > zeroTime && (time - zeroTime) % slide === 0)
}

/** The last batch of the stream before this one. */
export const previousOf = (view: View): Time | undefined =>
  timesOf(view.stream, batchesOf(view)).findLast((time) => time < view.time)
