import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Effect } from "effect"
import * as Memory from "../../adapters/memory/mod.ts"
import * as DStreamGraph from "../../core/dstream/DStreamGraph.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import { it } from "../kit.ts"

const words = Memory.batches([["a", "b"]]).pipe(DStream.map((line: string) => line.trim()))
const pairs = words.pipe(DStream.mapToPair((word) => [word, 1]))
const counts = pairs.pipe(DStream.reduceByKey((a, b) => a + b))
const appOf = (outputs: ReadonlyArray<any>, more: object = {}) =>
  StreamingApp.make({ name: "graph", batchDuration: "1 second", outputs, ...more })

test("an operator that two outputs share is in the graph once, parents before children", () => {
  const graph = DStreamGraph.make(appOf([counts.pipe(DStream.print()), pairs.pipe(DStream.print())]))
  assert.deepEqual(graph.nodes.map((node) => node.id), [
    "print-0.batches.0",
    "print-0.map.0",
    "print-0.mapToPair.0",
    "print-0.reduceByKey.0"
  ])
  assert.deepEqual(graph.outputs.map((output) => [output.id, output.stream]), [
    ["print-0", "print-0.reduceByKey.0"],
    ["print-1", "print-0.mapToPair.0"]
  ])
})

test("an operator added upstream leaves the ids downstream alone, and a name wins over a derived id", () => {
  const more = words.pipe(DStream.map((word) => word), DStream.mapToPair((word) => [word, 1]), DStream.named("pairs"))
  const graph = DStreamGraph.make(appOf([more.pipe(DStream.reduceByKey((a, b) => a + b), DStream.print())]))
  assert.deepEqual(graph.nodes.map((node) => node.id), [
    "print-0.batches.0",
    "print-0.map.1",
    "print-0.map.0",
    "pairs",
    "print-0.reduceByKey.0"
  ])
})

test("the fingerprint is a function of the structure", () => {
  const one = DStreamGraph.make(appOf([counts.pipe(DStream.print())]))
  const same = DStreamGraph.make(appOf([counts.pipe(DStream.print())]))
  const other = DStreamGraph.make(appOf([pairs.pipe(DStream.print())]))
  assert.equal(one.fingerprint, same.fingerprint)
  assert.notEqual(one.fingerprint, other.fingerprint)
})

test("every stream remembers its slide, or what the app asks", () => {
  assert.deepEqual(DStreamGraph.make(appOf([words.pipe(DStream.print())])).nodes.map((n) => n.rememberMillis), [
    1000,
    1000
  ])
  const longer = DStreamGraph.make(appOf([words.pipe(DStream.print())], { settings: { remember: "5 seconds" } }))
  assert.deepEqual(longer.nodes.map((node) => node.rememberMillis), [5000, 5000])
})

it("validate tells all mistakes at once, each with a remedy", () =>
  Effect.gen(function* () {
    const twice = words.pipe(DStream.named("same"))
    const also = words.pipe(DStream.map((word) => word), DStream.named("same"))
    const app = StreamingApp.make({
      name: " ",
      batchDuration: "0 millis",
      outputs: [twice.pipe(DStream.print()), also.pipe(DStream.print(3, { name: "print-0" }))],
      settings: { concurrentJobs: 0 }
    })
    const error = yield* Effect.flip(StreamingApp.validate(app))
    assert.deepEqual(error.mistakes.map((mistake) => mistake.where), [
      "batchDuration",
      "name",
      "same",
      "print-0",
      "concurrentJobs"
    ])
    assert.match(error.message, /two operators have this name; give each operator its own name with DStream.named/)
  }))

it("an app without an output is refused", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(StreamingApp.validate(appOf([])))
    assert.match(error.message, /no output operations registered/)
  }))
