/**
 * Kind offsetRanges: data sets over ranges of offsets of a log, which goes from case to case; what is sent then comes after the data set
 * was made and before it is read.
 */
import { Cause, Effect, Exit, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import * as Memory from "../../../adapters/memory/mod.ts"
import type { Batch, JobFailed } from "../../../core/dstream/Batch.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import * as Local from "../../driver/local.ts"
import { same, sameError, sameSet } from "../compare.ts"
import { type Json, known, Mismatch, onlyFields } from "../Vector.ts"
import { kind } from "./kind.ts"

type Records = Batch<Kafka.KafkaRecord<Uint8Array, string>>
type Look = (batch: Records, expected: Json, where: string) => Effect.Effect<void, JobFailed>

const valuesOf = (records: ReadonlyArray<Kafka.KafkaRecord<Uint8Array, string>>) => records.map(({ value }) => value)

const looking =
  <A>(read: (batch: Records) => Effect.Effect<A, JobFailed>, compare = same as (...all: Json) => void): Look =>
  (batch, expected, where) => Effect.map(read(batch), (actual) => compare(where, expected, actual))

const looks: Readonly<Record<string, Look>> = {
  elements: looking(({ collect }) => Effect.map(collect, valuesOf)),
  elementsAsSet: looking(({ collect }) => Effect.map(collect, valuesOf), sameSet),
  offsets: looking(({ collect }) => Effect.map(collect, (records) => records.map(({ offset }) => offset))),
  count: looking(({ count }) => count),
  isEmpty: looking(({ take }) => Effect.map(take(1), ({ length }) => length === 0)),
  "take(1)": looking(({ take }) => Effect.map(take(1), valuesOf)),
  "take(14)": looking(({ take }) => Effect.map(take(14), ({ length }) => length))
}

/** A list, or how many: "22 more", "18 messages (5 a, 3 b, 10 c)". */
const recordsOf = (written: Json): ReadonlyArray<string> => {
  if (Array.isArray(written)) return written
  const runs = [...String(written).matchAll(/(\d+) (\w)\b/g)]
  const all = runs.length > 0 ? runs : [[written, String(written).split(" ")[0], "x"]]
  return all.flatMap(([, count, value]) => Array.from({ length: Number(count) }, () => value!))
}

const runCase = Effect.fnUntraced(function* (kafka: KafkaModel, one: Json) {
  onlyFields("a case", one, ["ranges", "expect", "expectError", "thenSend"])
  const where = JSON.stringify(one.ranges)
  const read = Kafka.rdd({ brokers: "model", value: Kafka.text })
  const ranges = one.ranges.map(([topic, partition, from, until]: Json) => ({ topic, partition, from, until }))
  let outcome: Exit.Exit<void, unknown> | undefined
  const stream = Memory.batches([["now"]]).pipe(
    DStream.transform(() => read(ranges)),
    DStream.foreachBatch((batch) =>
      Effect.gen(function* () {
        if (one.thenSend !== undefined) kafka.append("t", 0, recordsOf(one.thenSend))
        outcome = yield* Effect.exit(Effect.forEach(
          one.expectError === undefined ? Object.entries(one.expect) : [["count", undefined] as const],
          ([word, expected]) => known("expectation", looks, word)(batch, expected, `${where}, ${word}`),
          { discard: true }
        ))
      })
    )
  )
  const layer = Layer.succeed(Kafka.ConnectKafka, kafka.connect)
  const app = StreamingApp.make({ name: "ranges", batchDuration: 1000, outputs: [stream], layer })
  yield* Local.start(app as StreamingApp.StreamingApp, { executors: 2, coded: true })
  // A range beyond the end is waited for before it is an error.
  for (let seconds = 0; outcome === undefined && seconds < 60; seconds++) {
    yield* TestClock.adjust(1000)
    yield* Local.settled
  }
  if (outcome === undefined) throw new Mismatch(where, "an end", "none")
  const error = Exit.isFailure(outcome) ? Cause.squash(outcome.cause) : undefined
  if (one.expectError !== undefined) sameError(where, one.expectError, error)
  else if (error !== undefined) throw error
})

export const offsetRanges = kind(
  ["log", "cases"],
  Effect.fnUntraced(function* ({ cases, log }) {
    const kafka = yield* KafkaModel.make
    kafka.createTopic("t", 1)
    onlyFields("log", log, ["t-0"])
    kafka.append("t", 0, recordsOf(log["t-0"]))
    for (const one of cases) yield* Effect.scoped(runCase(kafka, one))
  })
)
