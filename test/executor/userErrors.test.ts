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

it("a failure of mapEffect is told with all that it was caused by, and where there is a line of the program", () =>
  Effect.gen(function* () {
    const refused = new Error("connect ECONNREFUSED 127.0.0.1:1")
    const asked = Effect.tryPromise(() => Promise.reject(new TypeError("fetch failed", { cause: refused })))
    const one = yield* cluster({
      program: { out: failing(yield* Effect.flip(asked)) },
      executors: 1,
      limits: { maxTaskFailures: 1, maxStageRepairs: 10 }
    })
    one.plan({ time: 1 })
    const { message } = yield* failureOf(one.collect("out"))
    assert.match(
      message,
      /: An error occurred in Effect.tryPromise; caused by TypeError: fetch failed; caused by Error: connect ECONNREFUSED 127.0.0.1:1 \(at .*userErrors.test.ts:\d+\)$/
    )
  }))

test("causes are told as far as they say more, in the first line, and may go round", () => {
  const none = new Error("no")
  const round = new Error("a")
  round.cause = new Error("b", { cause: round })
  const each = new AggregateError([new Error("no ::1"), new Error("no 127.0.0.1")])
  const cases: ReadonlyArray<readonly [unknown, string]> = [
    [new Error("why", { cause: none }), "Error: why; caused by Error: no"],
    [new Error("why (Error: no)", { cause: none }), "Error: why (Error: no)"],
    [
      new Error("outer", { cause: new Error("", { cause: none }) }),
      "Error: outer; caused by Error: no"
    ],
    [new Error("what\nmore", { cause: new Error("why\nmore") }), "Error: what; caused by Error: why\nmore"],
    [new Error("what", { cause: "a word" }), "Error: what; caused by a word"],
    [{ _tag: "Mine", cause: none }, "Mine; caused by Error: no"],
    [round, "Error: a; caused by Error: b"],
    [new Error("no host", { cause: each }), "Error: no host; caused by Error: no ::1, Error: no 127.0.0.1"],
    [new AggregateError([none, 1], "all failed"), "AggregateError: all failed (Error: no, 1)"]
  ]
  for (const [error, text] of cases) assert.equal(describeError(error), text)
})

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
