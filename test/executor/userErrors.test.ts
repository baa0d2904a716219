/**
 * A user's error is the user's, whatever its shape: it never passes for the loss of data, and it is told in words.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Data, Effect } from "effect"
import { describeError } from "../../core/protocol/describeError.ts"
import * as RDD from "../../core/rdd/RDD.ts"
import { it } from "../kit.ts"
import { cluster, failureOf } from "./cluster.ts"

const shapes = [
  { kind: "Failed" },
  { kind: "BlockLost", block: "b", reason: "mine" },
  { kind: "FetchFailed", shuffle: "s", mapPartition: 0, executor: "executor-1", reason: "mine" }
]

const literal = (records: ReadonlyArray<unknown>) =>
  RDD.fromLineage<unknown>({ kind: "literal", partitions: [records] })

const failing = (error: unknown) => () =>
  RDD.fromLineage<unknown>({
    kind: "narrow",
    parent: literal([1]),
    op: { kind: "mapEffect", f: () => Effect.fail(error), concurrency: 1 }
  })

it("a failure of mapEffect that looks like a fault of the engine fails the job as the user's error", () =>
  Effect.gen(function* () {
    for (const shape of shapes) {
      const one = yield* cluster({
        program: { out: failing(shape) },
        executors: 1,
        limits: { maxTaskFailures: 2, maxStageRepairs: 10 }
      })
      one.plan({ time: 1 })
      const error = yield* failureOf(one.collect("out"))
      assert.match(error.message, /operator "out" failed 2 times .*maxTaskFailures.*"kind":"/, shape.kind)
    }
  }))

it("a failure of foreachPartition that looks like a fault of the engine fails the job as the user's error", () =>
  Effect.gen(function* () {
    for (const shape of shapes) {
      const one = yield* cluster({
        program: { out: () => literal([1]) },
        executors: 1,
        outputs: () => () => Effect.fail(shape),
        limits: { maxTaskFailures: 2, maxStageRepairs: 10 }
      })
      one.plan({ time: 1 })
      const error = yield* failureOf(one.run("out", 1, { kind: "foreachPartition", output: "sink" }))
      assert.match(error.message, /operator "sink" failed 2 times .*"kind":"/, shape.kind)
    }
  }))

test("any error has a sentence: a plain object is told as JSON, within limits, and nothing makes it throw", () => {
  class Broken extends Data.TaggedError("Broken")<{ readonly part: string }> {}
  const circular: Record<string, unknown> = { name: "Loop" }
  circular.self = circular
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  const cases: ReadonlyArray<readonly [unknown, RegExp]> = [
    [new TypeError("no"), /^TypeError: no$/],
    [new Error(""), /^Error$/],
    [new Broken({ part: "engine" }), /^Broken: \{"part":"engine"\}$/],
    [{ code: 7, big: 1n }, /^\{"code":7,"big":"1n"\}$/],
    [{ _tag: "Mine", code: 7 }, /^Mine: \{"code":7\}$/],
    [Object.assign(Object.create(null), { a: 1 }), /^\{"a":1\}$/],
    [{}, /^Object$/],
    [["a"], /^\["a"\]$/],
    ["text", /^text$/],
    [Symbol("s"), /^Symbol\(s\)$/],
    [undefined, /^undefined$/],
    [circular, /^Loop: \{"self":"itself"\}$/],
    [new Map(), /^Map$/],
    [revoked.proxy, /^an error without a text$/]
  ]
  for (const [error, expected] of cases) assert.match(describeError(error), expected)
  const huge = { list: Array.from({ length: 100_000 }, (_, i) => ({ i, text: "x".repeat(100) })) }
  assert.ok(describeError(huge).length <= 1100)
})
