/**
 * Kind behaviour where it holds data: a mapping over a state, of whose records and snapshots something has to hold. All other
 * behaviours are told in words.
 */
import { Effect } from "effect"
import type { Collected } from "../../driver/collected.ts"
import { same } from "../compare.ts"
import { snapshotsOf } from "../pipelines/operators.ts"
import { batchMsDefault, collect, runOutputs, streamOf } from "../pipelines/run.ts"
import { type Json, known, Mismatch, type Vector } from "../Vector.ts"
import { kind } from "./kind.ts"

type Check = (expected: Json, emitted: ReadonlyArray<Json>, snapshots: ReadonlyArray<Json>) => void

const expectations: Readonly<Record<string, Check>> = {
  allEmittedSorted: (expected, emitted) => same("all that was emitted", expected, emitted.flat().sort()),
  lastSnapshotEquals: (expected, _, snapshots) => same("the last snapshot", expected, snapshots.at(-1).toSorted()),
  someSnapshotEquals: (expected, _, snapshots) => {
    const isSame = (snapshot: Json) => JSON.stringify(snapshot.toSorted()) === JSON.stringify(expected)
    if (!snapshots.some(isSame)) throw new Mismatch("some snapshot", expected, snapshots)
  }
}

export const isBehaviourOfData = (vector: Vector): boolean =>
  Array.isArray(vector["inputs"]) && vector["mapping"] !== undefined

const runMapping = Effect.fnUntraced(function* ({ inputs, batches, mapping, timeoutMs, expected }: Vector) {
  const emitted: Collected<Json> = []
  const snapshots: Collected<Json> = []
  const ops = [{ op: "map", fn: "toPair1" }, { op: "mapWithState", mapping, timeoutMs }]
  const mapped = streamOf({ inputs, ops })
  const outputs = [collect(mapped, emitted), collect(snapshotsOf(mapped), snapshots)]
  const { error } = yield* runOutputs(outputs, { batchMs: batchMsDefault, batches })
  if (error !== undefined) throw new Mismatch("the run", "no error", `${error}`)
  const listsOf = (collected: Collected<Json>) => collected.map(({ records }) => records)
  for (const [word, value] of Object.entries(expected)) {
    known("expectation", expectations, word)(value, listsOf(emitted), listsOf(snapshots))
  }
})

export const behaviour = kind(
  ["given", "when", "then", "numbers", "inputs", "batches", "mapping", "timeoutMs", "expected"],
  runMapping
)
