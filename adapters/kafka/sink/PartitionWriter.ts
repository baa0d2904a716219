/**
 * PartitionWriter: puts a partition of a batch into the topic exactly once: its records and the note that they are there in one transaction.
 *
 * | what stands noted for the partition | the batch |
 * | --- | --- |
 * | a later driver's epoch | is refused: `Fenced` |
 * | the same batch, or, by an earlier driver, a later one | is there already, and left |
 * | a later batch by this driver | is an error: a clock was set back, or two programs use one name |
 * | an earlier batch, or nothing | is written |
 *
 * The transactional id and the group of the note are app/output/partition; the group's offset is the time of the batch in milliseconds, its
 * text has commit id and epoch. The producer is kept from batch to batch. If anything goes wrong in a way that may come right, or that
 * leaves in doubt what was done, it is let go and all begins again: the id is taken, what is noted is read, and what is not there yet is
 * written. That ends with the patience, and sooner where somebody else takes the id again and again.
 */
import { Effect, Exit, Option, Result, Schema, type Semaphore } from "effect"
import { uptime } from "../../../core/time/Uptime.ts"
import { Fenced, type PartitionContext } from "../../../core/output/Sink.ts"
import type { Millis } from "../../../core/time/Time.ts"
import { KafkaError } from "../KafkaError.ts"
import type { NewRecord } from "../records/encode.ts"
import type { Compression } from "../records/RecordBatch.ts"
import { Channel } from "./Channel.ts"
import * as Note from "./Note.ts"
import * as OutputNote from "./OutputNote.ts"
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
  readonly channels: Map<number, Channel>
}

const Text = Schema.fromJsonString(Schema.Struct({ commitId: Schema.String, epoch: Schema.Int }))
const decodeText = Schema.decodeUnknownOption(Text)

/** Others who take the id, and answers that tell nothing, come and go. */
const restartsMax = 10
/** Partitions of the topic that are written at once. */
const sentAtOnce = 8
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
    const place = options.placeOf(OutputNote.partitionIdOf(context, context.partition))
    const taken = yield* takenBy(seat, place, context, options, patience)
    if (yield* isThere(place, taken.noted, context)) return
    const { commitId, epoch, time } = context
    const noted = { number: time, text: JSON.stringify({ commitId, epoch } satisfies typeof Text.Type) }
    const { batchBytes, compression, topic } = options
    const { cluster } = place
    const produce = Effect.forEach(routed, ([partition, records]) => {
      const known = taken.channels.get(partition)
      const { producer } = taken
      const channel = known ??
        new Channel({ cluster, where: { topic, partition }, producer, compression, batchBytes })
      taken.channels.set(partition, channel)
      return channel.send(records, patience)
    }, { concurrency: sentAtOnce, discard: true })
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
    yield* OutputNote.enter(context, placeOf, patience, { anew: isOld })
    return seat.taken = { ...note, entered: now, channels: new Map() }
  })

const isThere = (
  place: Note.NotePlace,
  noted: Note.Noted | undefined,
  context: PartitionContext
): Effect.Effect<boolean, KafkaError | Fenced> => {
  if (noted === undefined) return Effect.succeed(false)
  const text = decodeText(noted.text)
  if (Option.isNone(text)) return Effect.fail(OutputNote.notOurs(place))
  const { epoch } = text.value
  if (epoch > context.epoch) return Effect.fail(Fenced.of(context, epoch))
  if (noted.number < context.time) return Effect.succeed(false)
  if (noted.number === context.time || epoch < context.epoch) return Effect.succeed(true)
  // A driver repeats its last batch at most. Silently left out, all up to that time would be lost.
  const { app, output, partition, time } = context
  return Effect.fail(
    new KafkaError({
      reason: "Commits",
      message:
        `the batch of ${time} ms of output "${output}" of app "${app}" comes after that of ${noted.number} ms was committed ` +
        `under the same epoch (${epoch}) in partition ${partition}: a clock was set back, or two programs use one name. Give the app ` +
        `or the output another name, or delete the group "${place.id}" if its records may come again`
    })
  )
}
