/**
 * PartitionNote: what stands in Kafka of a partition of an output: its last batch, and the driver that wrote it. The transactional id and the
 * group of the note are app/output/partition; the number is the time of the batch in milliseconds, the text has the rest.
 */
import { Effect, Option, Schema } from "effect"
import { Fenced, type OutputContext, outputIdOf, type PartitionContext } from "../../../core/output/Sink.ts"
import type { Millis } from "../../../core/time/Time.ts"
import { KafkaError } from "../KafkaError.ts"
import type * as Note from "./Note.ts"

/** Whose a note is. */
export interface Driver {
  readonly epoch: number
  readonly line: string
}

/** The last batch of a partition. */
export interface Written extends Driver {
  readonly time: Millis
  readonly commitId: string
  /** Of the batch. */
  readonly numPartitions?: number
}

const Text = Schema.fromJsonString(Schema.Struct({
  commitId: Schema.String,
  epoch: Schema.Int,
  line: Schema.optionalKey(Schema.String),
  numPartitions: Schema.optionalKey(Schema.Int)
}))
const decodeText = Schema.decodeUnknownOption(Text)

/** Began before all others: of a note, or a checkpoint place, that was made before lines had names. */
export const unnamedLine = ""

export const idOf = (output: Pick<OutputContext, "app" | "output">, partition: number): string =>
  `${outputIdOf(output)}/${partition}`

export const driverOf = ({ epoch, line = unnamedLine }: OutputContext): Driver => ({ epoch, line })

/** What is noted when the batch is there. */
export const noteOf = (context: PartitionContext): Note.Noted => {
  const { commitId, numPartitions, time } = context
  const text = { commitId, numPartitions, ...driverOf(context) } satisfies typeof Text.Type
  return { number: time, text: JSON.stringify(text) }
}

export const read = (
  place: Note.NotePlace,
  noted: Note.Noted | undefined
): Effect.Effect<Written | undefined, KafkaError> => {
  if (noted === undefined) return Effect.undefined
  return Option.match(decodeText(noted.text), {
    onSome: ({ line = unnamedLine, ...rest }) => Effect.succeed({ time: noted.number, line, ...rest }),
    onNone: () => Effect.fail(notOurs(place))
  })
}

/** Fails with `Fenced` where what is noted is of a later driver. */
export const refuseLater = (
  { cluster }: Note.NotePlace,
  output: OutputContext,
  noted: Driver
): Effect.Effect<void, Fenced> => {
  const { epoch, line } = driverOf(output)
  if (noted.line === line) return noted.epoch > epoch ? Effect.fail(Fenced.of(output, noted.epoch)) : Effect.void
  if (noted.line < line) return Effect.void
  const message =
    `output "${output.output}" of app "${output.app}" was taken over at ${cluster.name} by a driver that goes on from another checkpoint ` +
    "place, or from none, and began later than the first one of this place: this one is to end, and will be refused whenever it is " +
    `started again. Run one of them, or give one's app or output another name; if the other one was a mistake, end it and delete the ` +
    `groups "${outputIdOf(output)}" and "${idOf(output, 0)}", ... before you start this one`
  return Effect.fail(new Fenced({ output: output.output, epoch, current: noted.epoch, message }))
}

/** Somebody else commits offsets of the group. */
export const notOurs = ({ cluster, id }: Note.NotePlace): KafkaError =>
  new KafkaError({
    reason: "Commits",
    message:
      `the group "${id}" of ${cluster.name} holds offsets that no sink has written, and a sink keeps there how far its output ` +
      "is: give the app or the output another name, or delete the group"
  })
