/**
 * Kind cleanup: batch after batch is derived and its metadata cleared, by the memo of a driver; how long each stream of a chain
 * remembers, and what it still holds in the end, is compared.
 */
import { Effect } from "effect"
import * as Memory from "../../../adapters/memory/mod.ts"
import * as DStreamGraph from "../../../core/dstream/DStreamGraph.ts"
import * as GeneratedRDDs from "../../../core/dstream/GeneratedRDDs.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { same } from "../compare.ts"
import { applyOps, type Stream } from "../pipelines/operators.ts"
import { type Json, known, UnknownWord, type Vector } from "../Vector.ts"
import { kind } from "./kind.ts"

/** A word of a chain as an operation on pairs. */
const opOf = (word: Json): Json => {
  if (word === "map") return { op: "map", fn: "modTenPair1" }
  if (word === "updateStateByKey") return { op: "updateStateByKey", update: "addToCount" }
  if (word?.window === undefined) throw new UnknownWord("stream of a chain", word)
  return { op: "window", ...word.window }
}

/** The names under which expectations speak of the streams of a chain. */
const namesOf = (chain: ReadonlyArray<Json>): ReadonlyArray<string> => {
  const windows = chain.filter((word) => word.window !== undefined)
  return chain.map((word) => {
    if (word === "map") return "mapped"
    if (word === "updateStateByKey") return "state"
    return windows.length === 1 ? "window" : word === windows[0] ? "innerWindow" : "outerWindow"
  })
}

const chainOf = (chain: ReadonlyArray<Json>): Stream => {
  const names = namesOf(chain)
  const source = {
    other: (named: Json) => {
      throw new UnknownWord("stream", named)
    }
  }
  return chain.reduce(
    (stream: Stream, word, index) => applyOps([opOf(word)], source)(stream).pipe(DStream.named(names[index]!)),
    Memory.batches<any>([], 2)
  )
}

type Held = Readonly<Record<string, ReadonlyArray<number>>>

const runCleanup = (vector: Vector) =>
  Effect.sync(() => {
    const { batchMs, chain, contextRememberMs, runBatches, expected } = vector as Json
    const stream = chainOf(chain)
    const graph = DStreamGraph.make(StreamingApp.make({
      name: "cleanup",
      batchDuration: batchMs,
      outputs: [stream.pipe(DStream.print())],
      settings: { remember: contextRememberMs }
    }))
    const memo = GeneratedRDDs.make(graph, { defaultParallelism: 2 })
    let outputBatches = 0
    for (let time = batchMs; time <= runBatches * batchMs; time += batchMs) {
      const inputs = graph.inputs.map(({ id }) => ({ stream: id, records: 0, partitions: [] }))
      memo.addPlan({ time, zeroTime: 0, inputs, sideValues: [] })
      if (memo.getOrCompute(graph.outputs[0]!.stream, time) !== undefined) outputBatches++
      memo.clearMetadata(time)
    }
    const all = (holds: Held, isHeld: boolean) => {
      for (const [name, times] of Object.entries(holds)) {
        const held = memo.heldTimes(name)
        for (const time of times) same(`${name} holds ${time} of ${held}`, isHeld, held.includes(time))
      }
    }
    const expectations: Readonly<Record<string, (value: Json) => void>> = {
      outputBatches: (count) => same("output batches", count, outputBatches),
      rememberMs: (byName) => {
        for (const name of Object.keys(byName)) {
          same(`${name} remembers`, byName[name], graph.node(name)?.rememberMillis)
        }
      },
      stillHeldTimesMs: (holds) => all(holds, true),
      releasedTimesMs: (holds) => all(holds, false)
    }
    for (const [word, value] of Object.entries(expected)) known("expectation", expectations, word)(value)
  })

export const cleanup = kind(["batchMs", "chain", "contextRememberMs", "input", "runBatches", "expected"], runCleanup)
