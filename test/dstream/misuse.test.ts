/**
 * Operators that newcomers pipe on from an output, do not call, or call as methods: each is told with what to write.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import * as Memory from "../../adapters/memory/mod.ts"
import { DStream, RDD, StreamingApp } from "../../core/mod.ts"
import * as DStreamGraph from "../../core/dstream/DStreamGraph.ts"
import * as GeneratedRDDs from "../../core/dstream/GeneratedRDDs.ts"
import { mistakesOf } from "../../core/dstream/validation.ts"

const words = Memory.stream({ numPartitions: 1, read: () => ["a"] })
const appOf = (output: any) => StreamingApp.make({ name: "A", batchDuration: 1000, outputs: [output] })
const mistakes = (output: any) => {
  const app = appOf(output)
  return mistakesOf(app, DStreamGraph.make(app), {}).map(({ message, remedy }) => `${message}; ${remedy}`)
}

test("what is piped on from an output is told that an output is an end", () => {
  const end = "an output is an end: list two outputs, outputs: [words.pipe(DStream.print()), words.pipe(...)]"
  const print: any = DStream.print()
  assert.deepEqual(mistakes(words.pipe(print, print)), [`this is an output of an output, not of a DStream; ${end}`])
  const on = words.pipe(print, DStream.map((word: any) => word) as any, print)
  assert.deepEqual(mistakes(on), [`its stream is an output, not a DStream; ${end}`])
})

test("an operator that was not called is told to be called", () => {
  const [mistake] = mistakes(words.pipe(DStream.map as any, DStream.print()))
  assert.match(mistake!, /^this is an output of a function, .*; call the operator before it, as in words\.pipe\(/)
})

test("a transform that takes an RDD for one of Spark's is told the operator and what it may do", () => {
  const remedies: ReadonlyArray<readonly [(rdd: any) => any, RegExp]> = [
    [(rdd) => rdd.collect(), /rdd\.collect is not .*: an RDD inside transform can be transformed, not run; read it in/],
    [
      (rdd) => rdd.map(String),
      /rdd\.map is not a function: an RDD has no methods: write rdd\.pipe\(RDD\.map\(\.\.\.\)\)/
    ],
    [() => RDD.of([1]).identity!.id.slice(0), /operator "shown" could not make its data set of batch 1000 ms/]
  ]
  for (const [f, text] of remedies) {
    const graph = DStreamGraph.make(appOf(words.pipe(DStream.transform(f), DStream.named("shown"), DStream.print())))
    const memo = GeneratedRDDs.make(graph, { defaultParallelism: 1 })
    memo.addPlan({
      time: 1000,
      zeroTime: 0,
      inputs: graph.inputs.map(({ id }) => ({ stream: id, partitions: [] })),
      sideValues: []
    } as any)
    assert.throws(() => memo.getOrCompute("shown", 1000), (error: any) => {
      assert.equal(error._tag, "LineageError")
      assert.match(error.message, /^operator "shown" could not make its data set of batch 1000 ms: /)
      assert.match(error.message, text)
      return true
    })
  }
})
