/**
 * OutputNote: what stands in Kafka of an output as a whole: which driver has it, how many partitions its batches have had, and which batch
 * is the last of which something was written. By it a new driver keeps all executors out that work for older ones:
 *
 * | who | does | when |
 * | --- | --- | --- |
 * | a driver | notes itself, takes the transactional ids of all partitions that are noted, then notes the last batch | `fence` |
 * | an executor | has taken the id of its partition; then looks whether a later driver is noted, and notes how many partitions there are | before its first transaction with the id |
 *
 * An executor that takes its id after the new driver did sees the new driver, and ends; one that took it before is fenced by Kafka. A
 * number of partitions that the new driver does not know of is noted after the new driver, so that whoever notes it sees that. The note
 * has a transactional id of its own, so that no two write it over each other.
 *
 * Of two drivers of one line the later one has the greater epoch. Epochs of two lines say nothing: there the line that began later wins,
 * whichever is started again.
 */
import { Effect, Option, Result, Schema } from "effect"
import { Fenced, type OutputContext, outputIdOf, type PartitionContext } from "../../../core/output/Sink.ts"
import type { Millis } from "../../../core/time/Time.ts"
import { KafkaError } from "../KafkaError.ts"
import * as Note from "./Note.ts"
import * as PartitionNote from "./PartitionNote.ts"
import type { Patience } from "./Patience.ts"

const Last = Schema.Struct({ time: Schema.Int, numPartitions: Schema.Int })

/** The last batch that drivers of this line before this one have written, or begun to. All before it are there. */
export type LastBatch = typeof Last.Type

interface OutputState {
  readonly epoch: number
  readonly line: string
  readonly partitions: number
  readonly last?: LastBatch
}

const Text = Schema.fromJsonString(Schema.Struct({
  partitions: Schema.Int,
  line: Schema.optionalKey(Schema.String),
  last: Schema.optionalKey(Last)
}))
const decodeText = Schema.decodeUnknownOption(Text)

/** Ids that a driver takes at once. */
const takenAtOnce = 8
/** Others who write the same note come and go. */
const racesMax = 20

type PlaceOf = (id: string) => Note.NotePlace

/** After this no driver before this one commits anything more. */
export const fence = (
  output: OutputContext,
  placeOf: PlaceOf,
  patience: Patience
): Effect.Effect<void, KafkaError | Fenced> =>
  Effect.gen(function* () {
    const own = PartitionNote.driverOf(output)
    const { partitions } = yield* change(output, placeOf, patience, (known) => ofDriver(own, known))
    const ids = Array.from({ length: partitions }, (_, partition) => PartitionNote.idOf(output, partition))
    const noted = yield* Effect.forEach(ids, (id) => {
      const place = placeOf(id)
      return Effect.flatMap(Note.take(place, patience), ({ noted }) => PartitionNote.read(place, noted))
    }, { concurrency: takenAtOnce })
    const last = lastOf(noted, own.line)
    if (last === undefined) return
    yield* change(output, placeOf, patience, (known) => ({ ...ofDriver(own, known), last }))
  })

/** Gives the last batch of drivers before this one. Fails with `Fenced` where a later driver is noted. `anew`: it is written also where nothing has changed, so that it stays. */
export const enter = (
  { numPartitions, ...output }: PartitionContext,
  placeOf: PlaceOf,
  patience: Patience,
  { anew }: { readonly anew: boolean }
): Effect.Effect<LastBatch | undefined, KafkaError | Fenced> =>
  Effect.gen(function* () {
    const own = PartitionNote.driverOf(output)
    const place = placeOf(outputIdOf(output))
    const known = yield* stateOf(place, yield* Note.read(place, patience))
    const isKnown = known !== undefined && known.epoch === own.epoch && known.line === own.line
    if (!anew && isKnown && known.partitions >= numPartitions) return known.last
    const { last } = yield* change(output, placeOf, patience, (now) => {
      const state = ofDriver(own, now)
      return { ...state, partitions: Math.max(state.partitions, numPartitions) }
    })
    return last
  })

/** What is noted when this driver has the output. */
const ofDriver = (own: PartitionNote.Driver, known: OutputState | undefined): OutputState => ({
  ...own,
  partitions: known?.partitions ?? 0,
  ...(known?.last === undefined || known.line !== own.line ? {} : { last: known.last })
})

const lastOf = (
  noted: ReadonlyArray<PartitionNote.Written | undefined>,
  line: string
): LastBatch | undefined => {
  let last: { readonly time: Millis; readonly numPartitions: number } | undefined
  for (const one of noted) {
    if (one?.line !== line || one.numPartitions === undefined || one.time <= (last?.time ?? -Infinity)) continue
    last = { time: one.time, numPartitions: one.numPartitions }
  }
  return last
}

/** Reads, changes and writes the note in one step, however many do. */
const change = (
  output: OutputContext,
  placeOf: PlaceOf,
  patience: Patience,
  to: (known: OutputState | undefined) => OutputState
): Effect.Effect<OutputState, KafkaError | Fenced> =>
  Effect.gen(function* () {
    const place = placeOf(outputIdOf(output))
    for (let tries = 0;; tries++) {
      const { noted, producer } = yield* Note.take(place, patience)
      const known = yield* stateOf(place, noted)
      if (known !== undefined) yield* PartitionNote.refuseLater(place, output, known)
      const next = to(known)
      const { epoch, ...rest } = next
      const text = JSON.stringify(rest satisfies typeof Text.Type)
      const written = yield* Effect.result(Note.transact(place, producer, { number: epoch, text }, patience))
      if (Result.isSuccess(written)) {
        if (known !== undefined && known.line !== next.line) yield* tellOtherLine(output, place)
        return next
      }
      const error = written.failure
      if (!error.isRetryable && (error.reason !== "Fenced" || tries >= racesMax)) return yield* error
      yield* patience.pause(error, tries)
    }
  })

const tellOtherLine = ({ app, output }: OutputContext, { cluster }: Note.NotePlace): Effect.Effect<void> =>
  Effect.logWarning(
    `output "${output}" of app "${app}" was written to ${cluster.name} from another checkpoint place, or in a run without one, and this ` +
      "driver takes it over: what that one has not written is not written by this one. If it still runs, it ends"
  )

const stateOf = (
  place: Note.NotePlace,
  noted: Note.Noted | undefined
): Effect.Effect<OutputState | undefined, KafkaError> => {
  if (noted === undefined) return Effect.undefined
  return Option.match(decodeText(noted.text), {
    onSome: ({ line = PartitionNote.unnamedLine, ...rest }) => Effect.succeed({ epoch: noted.number, line, ...rest }),
    onNone: () => Effect.fail(PartitionNote.notOurs(place))
  })
}
