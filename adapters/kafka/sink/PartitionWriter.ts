/**
 * PartitionWriter: puts a partition of a batch into the topic exactly once: its records and the note that they are there in one transaction.
 *
 * | what stands noted for the partition | the batch |
 * | --- | --- |
 * | a later driver | is refused: `Fenced` |
 * | the same batch, or, by an earlier driver, a later one | is there already, and left |
 * | a later batch by this driver | is an error: a clock was set back, or two programs use one name |
 * | the same batch, or a later one, by a driver of another line | is an error: it is not the same records |
 * | an earlier batch, or nothing | is written |
 *
 * Before that counts what is noted of the output: all batches before the last one of earlier drivers are there; that one itself has to come
 * with as many partitions as before, for what the others hold is not known. The producer is kept from batch to batch. If anything goes wrong in a way that may come right, or that
 * leaves in doubt what was done, it is let go and all begins again: the id is taken, what is noted is read, and what is not there yet is
 * written. That ends with the patience, and sooner where somebody else takes the id again and again.
 */
import { Effect, Exit, Result, type Semaphore } from "effect"
import type { Fenced, PartitionContext } from "../../../core/output/Sink.ts"
import { permanent } from "../../../core/protocol/permanent.ts"
import type { Millis } from "../../../core/time/Time.ts"
import { uptime } from "../../../core/time/Uptime.ts"
import { KafkaError } from "../KafkaError.ts"
import type { NewRecord } from "../records/encode.ts"
import type { Compression } from "../records/RecordBatch.ts"
import { Channel } from "./Channel.ts"
import * as Note from "./Note.ts"
import * as OutputNote from "./OutputNote.ts"
import * as PartitionNote from "./PartitionNote.ts"
import { type Patience, reworded } from "./Patience.ts"

export interface WriterOptions {
  readonly placeOf: (id: string) => Note.NotePlace
  readonly topic: string
  readonly compression: Compression
  readonly batchBytes: number
}

/** The transactional id of a partition, and whoever has it in this executor. One at a time writes. */
export interface Seat {
  readonly one: Semaphore.Semaphore
  taken: Taken | undefined
}

interface Taken extends Note.TakenNote {
  /** When the output's note was last looked at. */
  readonly entered: Millis
  readonly last: OutputNote.LastBatch | undefined
  readonly channels: Map<number, Channel>
}

/** Others who take the id, and answers that tell nothing, come and go. */
const restartsMax = 10
/** Kafka forgets the output's note after a week; so often it is written anew. */
const noteMillisMax = 12 * 3_600_000

export const write = (
  seat: Seat,
  routed: ReadonlyMap<number, ReadonlyArray<NewRecord>>,
  context: PartitionContext,
  options: WriterOptions,
  patience: Patience
): Effect.Effect<void, KafkaError | Fenced> => {
  const once = Effect.onExit(
    writeOnce(seat, routed, context, options, patience),
    // Not even an interruption leaves a transaction that somebody would go on with.
    (exit) => Exit.isSuccess(exit) ? Effect.void : Effect.sync(() => seat.taken = undefined)
  )
  return seat.one.withPermit(Effect.gen(function* () {
    for (let tries = 0;; tries++) {
      const result = yield* Effect.result(once)
      if (Result.isSuccess(result)) return
      const error = result.failure
      if (!(error instanceof KafkaError)) return yield* error
      if (!error.isRetryable && !(mayRestart(error) && tries < restartsMax)) return yield* explained(error, options)
      yield* patience.pause(error, tries)
    }
  }))
}

/** A producer was replaced, or its transaction ended without it: a new one sees how things are. */
const mayRestart = ({ reason }: KafkaError): boolean => reason === "Fenced" || reason === "Other"

const explained = (error: KafkaError, { topic }: WriterOptions): KafkaError =>
  error.reason === "Fenced"
    ? reworded(
      error,
      `${error.message}. It was taken away ${restartsMax} times: another program with the same app and output names writes to ` +
        `${topic}; give one of them another name`
    )
    : error

const writeOnce = (
  seat: Seat,
  routed: ReadonlyMap<number, ReadonlyArray<NewRecord>>,
  context: PartitionContext,
  options: WriterOptions,
  patience: Patience
): Effect.Effect<void, KafkaError | Fenced> =>
  Effect.gen(function* () {
    const place = options.placeOf(PartitionNote.idOf(context, context.partition))
    const taken = yield* takenBy(seat, place, context, options, patience)
    if (yield* isThere(place, taken, context)) return
    const noted = PartitionNote.noteOf(context)
    const { batchBytes, compression, topic } = options
    const { cluster } = place
    const produce = Effect.forEach(routed, ([partition, records]) => {
      const known = taken.channels.get(partition)
      const { producer } = taken
      const channel = known ??
        new Channel({ cluster, where: { topic, partition }, producer, compression, batchBytes })
      taken.channels.set(partition, channel)
      return channel.send(records, patience)
      // One after the other: a broker that has two questions of one transaction to verify refuses the first.
    }, { discard: true })
    const partitions = Array.from(routed.keys(), (partition) => ({ topic, partition }))
    yield* Note.transact(place, taken.producer, noted, patience, { partitions, produce })
    seat.taken = { ...taken, noted }
  })

/** The producer of the seat; a new one, if there is none. */
const takenBy = (
  seat: Seat,
  place: Note.NotePlace,
  context: PartitionContext,
  { placeOf }: WriterOptions,
  patience: Patience
): Effect.Effect<Taken, KafkaError | Fenced> =>
  Effect.gen(function* () {
    const now = yield* uptime
    const { taken } = seat
    const isOld = taken !== undefined && now - taken.entered > noteMillisMax
    if (taken !== undefined && !isOld) return taken
    const note = yield* Note.take(place, patience)
    const last = yield* OutputNote.enter(context, placeOf, patience, { anew: isOld })
    return seat.taken = { ...note, entered: now, last, channels: new Map() }
  })

const isThere = (
  place: Note.NotePlace,
  { last, noted }: Taken,
  context: PartitionContext
): Effect.Effect<boolean, KafkaError | Fenced> =>
  Effect.gen(function* () {
    const { time } = context
    if (last !== undefined && time < last.time) return true
    if (last?.time === time && last.numPartitions !== context.numPartitions) {
      return yield* otherPartitions(last.numPartitions, context)
    }
    const written = yield* PartitionNote.read(place, noted)
    if (written === undefined) return false
    yield* PartitionNote.refuseLater(place, context, written)
    if (written.time < time) return false
    const { epoch, line } = PartitionNote.driverOf(context)
    if (written.line !== line) return yield* notMine(place, written.time, context)
    if (written.time === time || written.epoch < epoch) return true
    // A driver repeats its last batch at most. Silently left out, all up to that time would be lost.
    return yield* setBack(place, written.time, context)
  })

/** What can only come again. */
const refused = (message: string): KafkaError =>
  Object.assign(new KafkaError({ reason: "Commits", message }), { [permanent]: true })

const nameOf = ({ app, output, time }: PartitionContext): string =>
  `the batch of ${time} ms of output "${output}" of app "${app}"`

const otherPartitions = (before: number, context: PartitionContext): KafkaError =>
  refused(
    `${
      nameOf(context)
    } has ${context.numPartitions} partitions, and a driver before this one has written some of its ${before}: which ` +
      `records those held cannot be told from here. Start with ${before} partitions once more (numPartitions, or the setting ` +
      "defaultParallelism) until this batch is done, and change their number then, best after a graceful stop"
  )

const notMine = ({ id }: Note.NotePlace, noted: Millis, context: PartitionContext): KafkaError =>
  refused(
    `${
      nameOf(context)
    } does not come after that of ${noted} ms, which a driver of another checkpoint place, or a run without one, has ` +
      `committed in partition ${context.partition}. Give the app or the output another name; or end that driver, if it runs, and ` +
      `start with batches of later times, or delete the group "${id}" if records of both are to be there`
  )

const setBack = ({ id }: Note.NotePlace, noted: Millis, context: PartitionContext): KafkaError =>
  refused(
    `${
      nameOf(context)
    } comes after that of ${noted} ms was committed under the same epoch (${context.epoch}) in partition ` +
      `${context.partition}: a clock was set back, or two programs use one name. Give the app or the output another name, or delete ` +
      `the group "${id}" if its records may come again`
  )
