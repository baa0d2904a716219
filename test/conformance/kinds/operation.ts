/**
 * Kinds operation, operations, partitioning and error with data: pipelines over input batches.
 */
import { Effect } from "effect"
import { DStream, Output, StreamingApp } from "../../../core/mod.ts"
import type { Collected } from "../../driver/collected.ts"
import { type Order, same, sameBatches, sameError, sameSet } from "../compare.ts"
import { type Json, Mismatch, onlyFields, UnknownWord, type Vector } from "../Vector.ts"
import { batchMsDefault, build, collect, type Outcome, runOutputs, streamOf } from "../pipelines/run.ts"
import { snapshotsOf } from "../pipelines/operators.ts"
import { kind } from "./kind.ts"
import { failingSlice } from "./slice.ts"

const pipelineFields = ["inputs", "ops", "batches", "batchMs", "checkpointMs", "ordered", "groupsOrdered"]

const recordsOf = (collected: Collected<any>) => collected.map(({ records }) => records)

const batchesOf = ({ batches, inputs }: Json): number =>
  batches ?? Math.max(...inputs.map((input: Json) => input.batches.length))

const orderOf = ({ groupsOrdered, ordered }: Json): Order => ({ ordered, groupsOrdered })

const wellEnded = ({ error }: Outcome): void => {
  if (error !== undefined) throw new Mismatch("the run", "no error", `${error}`)
}

const runTo = (vector: Json, ...outputs: ReadonlyArray<Output.AnyOutput>) =>
  runOutputs(outputs, { batchMs: vector.batchMs ?? batchMsDefault, batches: batchesOf(vector) })

const runPipeline = Effect.fnUntraced(function* (pipeline: Json) {
  const out: Collected<any> = []
  const states: Collected<any> = []
  const { mapped, stream } = build(pipeline)
  const snapshots = pipeline.expectedState === undefined ? [] : [collect(snapshotsOf(mapped!), states)]
  const outcome = yield* runTo(pipeline, collect(stream, out), ...snapshots)
  wellEnded(outcome)
  sameBatches("output batches", pipeline.expected, recordsOf(out), orderOf(pipeline))
  if (pipeline.expectedState === undefined) return
  sameBatches("snapshots of the state", pipeline.expectedState, recordsOf(states), { ordered: false })
})

export const operation = kind([...pipelineFields, "expected", "expectedState"], runPipeline)

export const operations = kind(
  ["inputs", "batches", "batchMs", "pipelines"],
  ({ inputs, batches, batchMs, pipelines }) =>
    Effect.forEach(pipelines as ReadonlyArray<Json>, (pipeline) => {
      onlyFields("a pipeline", pipeline, [...pipelineFields, "expected"])
      return runPipeline({ inputs, batches, batchMs, ...pipeline })
    }, { discard: true })
)

export const partitioning = kind(
  ["inputs", "ops", "batches", "batchMs", "expected"],
  Effect.fnUntraced(function* (vector) {
    const partitions: Array<ReadonlyArray<ReadonlyArray<unknown>>> = []
    const stream = streamOf(vector as Json)
    const output = stream.pipe(
      DStream.foreachBatch((batch) => Effect.map(batch.partitions, (lists) => void partitions.push(lists)))
    )
    wellEnded(yield* runTo(vector, output))
    const { expected } = vector
    onlyFields("expected", expected, ["partitionsPerBatch", "elementsAsSet", "elementCountPerBatch"])
    const elements = partitions.map((lists) => lists.flat())
    if (expected.partitionsPerBatch) {
      same("partitions per batch", expected.partitionsPerBatch, partitions.map((lists) => lists.length))
    }
    if (expected.elementCountPerBatch) {
      same("elements per batch", expected.elementCountPerBatch, elements.map((batch) => batch.length))
    }
    expected.elementsAsSet?.forEach((set: Json, index: number) =>
      sameSet(`elements of batch ${index + 1}`, set, elements[index] ?? [])
    )
  })
)

/** The run delivers its first batches, and then fails as described, in the batch named. */
const failingRun = Effect.fnUntraced(function* (vector: Vector) {
  const out: Collected<any> = []
  const { error } = yield* runTo(vector, collect(streamOf(vector as Json), out))
  const { firstBatches, errorAtBatch, error: expected } = vector["expected"]
  if (firstBatches !== undefined) {
    sameBatches("batches before the error", firstBatches, recordsOf(out), orderOf(vector))
  }
  sameError("the run", expected.category, error)
  const at = (error as { readonly time?: number }).time
  if (errorAtBatch === undefined || at === undefined) return
  same("batch of the error", errorAtBatch, at / (vector["batchMs"] ?? batchMsDefault))
})

/** "batch 1000 ms, parent = window(2000, 2000) of the input": the only words that definitions over data come with. */
const given = /^batch (\d+) (ms|s)(?:, parent = window\((\d+), (\d+)\) of the input)?$/

/** What is defined by each case is refused, and what is accepted is not, before anything runs. */
const refusedDefinitions = Effect.fnUntraced(function* (vector: Vector) {
  const words = given.exec(vector["given"])
  if (words === null) throw new UnknownWord("given", vector["given"])
  const batchMs = Number(words[1]) * (words[2] === "s" ? 1000 : 1)
  const pairs = [{ partitions: 1, batches: [[["a", 1]]] }]
  const parent = words[3] === undefined ? [] : [{ op: "window", windowMs: Number(words[3]), slideMs: Number(words[4]) }]
  const validate = (op: Json) =>
    Effect.suspend(() =>
      StreamingApp.validate(StreamingApp.make({
        name: "defined",
        batchDuration: batchMs,
        outputs: [streamOf({ inputs: pairs, ops: [...parent, op] }).pipe(DStream.print())]
      }))
    )
  for (const op of vector["cases"]) {
    const error = yield* Effect.match(validate(op), { onFailure: (error) => error, onSuccess: () => undefined })
    sameError(JSON.stringify(op), vector["expected"].error.category, error)
  }
  for (const op of vector["accepted"] ?? []) yield* validate(op)
})

const isOps = (cases: Json): boolean => Array.isArray(cases) && cases.every((entry) => entry.op !== undefined)

/** Whether the error is told in data; else it is told in words, and met by a named test. */
export const isErrorOfData = (vector: Vector): boolean => Array.isArray(vector["inputs"]) || isOps(vector["cases"])

export const failing = kind(
  [...pipelineFields, "expected", "given", "cases", "accepted", "steps"],
  (vector) => {
    if (isOps(vector["cases"])) return refusedDefinitions(vector)
    return vector["steps"] === undefined ? failingRun(vector) : failingSlice(vector)
  }
)
