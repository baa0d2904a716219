/**
 * OutputNote: what stands in Kafka of an output as a whole: which driver has it, and how many partitions its batches have had. By it a new
 * driver keeps all executors out that work for older ones:
 *
 * | who | does | when |
 * | --- | --- | --- |
 * | a driver | notes its epoch, then takes the transactional ids of all partitions that are noted | `fence` |
 * | an executor | has taken the id of its partition; then looks whether a later driver is noted, and notes how many partitions there are | before its first transaction with the id |
 *
 * An executor that takes its id after the new driver did sees the new epoch, and ends; one that took it before is fenced by Kafka. A
 * number of partitions that the new driver does not know of is noted after the new epoch, so that whoever notes it sees that. The note
 * has a transactional id of its own, so that no two write it over each other.
 */
import { Effect, Option, Result, Schema } from "effect"
import { Fenced, type OutputContext, outputIdOf, type PartitionContext } from "../../../core/output/Sink.ts"
import { KafkaError } from "../KafkaError.ts"
import * as Note from "./Note.ts"
import type { Patience } from "./Patience.ts"

interface OutputState {
  readonly epoch: number
  readonly partitions: number
}

const Text = Schema.fromJsonString(Schema.Struct({ partitions: Schema.Int }))
const decodeText = Schema.decodeUnknownOption(Text)

/** The transactional id, and the group, of a partition of an output; an output has its own text. */
export const partitionIdOf = (output: Pick<OutputContext, "app" | "output">, partition: number): string =>
  `${outputIdOf(output)}/${partition}`

/** Ids that a driver takes at once. */
const takenAtOnce = 8
/** Others who write the same note come and go. */
const racesMax = 20

type PlaceOf = (id: string) => Note.NotePlace

/** After this no driver of an older epoch commits anything more. */
export const fence = (
  output: OutputContext,
  placeOf: PlaceOf,
  patience: Patience
): Effect.Effect<void, KafkaError | Fenced> =>
  Effect.gen(function* () {
    const { epoch } = output
    const { partitions } = yield* change(output, placeOf, patience, (known) => ({
      epoch,
      partitions: known?.partitions ?? 0
    }))
    const ids = Array.from({ length: partitions }, (_, partition) => partitionIdOf(output, partition))
    yield* Effect.forEach(ids, (id) => {
      const { cluster, transactionMillis } = placeOf(id)
      return patience.retry(cluster.initProducer({ transactionalId: id, transactionMillis }))
    }, { concurrency: takenAtOnce, discard: true })
  })

/** Fails with `Fenced` where a later driver is noted. `anew`: it is written also where nothing has changed, so that it stays. */
export const enter = (
  { epoch, numPartitions, ...output }: PartitionContext,
  placeOf: PlaceOf,
  patience: Patience,
  { anew }: { readonly anew: boolean }
): Effect.Effect<void, KafkaError | Fenced> =>
  Effect.gen(function* () {
    const context = { ...output, epoch }
    const place = placeOf(outputIdOf(output))
    const known = yield* stateOf(place, yield* Note.read(place, patience))
    if (!anew && known !== undefined && known.epoch === epoch && known.partitions >= numPartitions) return
    yield* change(context, placeOf, patience, (now) => ({
      epoch,
      partitions: Math.max(now?.partitions ?? 0, numPartitions)
    }))
  })

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
      yield* refuseOlder(output, known)
      const next = to(known)
      const text = JSON.stringify({ partitions: next.partitions } satisfies typeof Text.Type)
      const written = yield* Effect.result(Note.transact(place, producer, { number: next.epoch, text }, patience))
      if (Result.isSuccess(written)) return next
      const error = written.failure
      if (!error.isRetryable && (error.reason !== "Fenced" || tries >= racesMax)) return yield* error
      yield* patience.pause(error, tries)
    }
  })

const refuseOlder = (output: OutputContext, known: OutputState | undefined): Effect.Effect<void, Fenced> =>
  known !== undefined && known.epoch > output.epoch ? Effect.fail(Fenced.of(output, known.epoch)) : Effect.void

const stateOf = (
  place: Note.NotePlace,
  noted: Note.Noted | undefined
): Effect.Effect<OutputState | undefined, KafkaError> => {
  if (noted === undefined) return Effect.undefined
  return Option.match(decodeText(noted.text), {
    onSome: ({ partitions }) => Effect.succeed({ epoch: noted.number, partitions }),
    onNone: () => Effect.fail(notOurs(place))
  })
}

/** Somebody else commits offsets of the group. */
export const notOurs = ({ cluster, id }: Note.NotePlace): KafkaError =>
  new KafkaError({
    reason: "Commits",
    message:
      `the group "${id}" of ${cluster.name} holds offsets that no sink has written, and a sink keeps there how far its output ` +
      "is: give the app or the output another name, or delete the group"
  })
