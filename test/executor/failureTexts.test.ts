/**
 * What is said of a function that throws: where in the user's file, on which record, and once where trying again cannot help.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Cause, Effect, Exit } from "effect"
import { TestClock } from "effect/testing"
import { failureOf as told, notices } from "../../adapters/cli/messages.ts"
import * as Memory from "../../adapters/memory/mod.ts"
import { DStream, type State, StateSpec, StreamingApp } from "../../core/mod.ts"
import { describeRecord } from "../../core/protocol/describeValue.ts"
import { userFrame } from "../../core/protocol/userFrame.ts"
import type { SettingsInput } from "../../core/settings/Settings.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import * as Local from "../driver/local.ts"
import { it } from "../kit.ts"

const people = Memory.stream({ numPartitions: 1, read: () => [{ name: "Ada" }, { name: "Bob" }] })

const failureOf = (stream: any, settings: SettingsInput = {}) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(0)
    const events: Array<StreamingEvent> = []
    const app = StreamingApp.make({
      name: "fails",
      batchDuration: "1 second",
      outputs: [stream.pipe(DStream.collectTo([]))],
      settings: { maxTaskFailures: 3, ...settings }
    }) as StreamingApp.StreamingApp<any>
    const fiber = yield* Local.run(app, { observers: [(event) => void events.push(event)] })
    yield* TestClock.adjust("3 seconds")
    const exit = fiber.pollUnsafe()
    assert.ok(exit !== undefined && Exit.isFailure(exit), "the run did not fail")
    const notice = notices({ skips: false, batchMillis: 1000 })
    const retries = events.flatMap((event) => event.kind === "TaskRetried" ? [notice(event)!] : [])
    return { cause: exit.cause, error: Cause.squash(exit.cause) as any, retries }
  })

const throws = people.pipe(DStream.map(({ name }) => {
  if (name === "Bob") throw new RangeError("no Bobs")
  return name
}))

it("a function that throws is told with the line of its file and the record, unless the settings hide records", () =>
  Effect.gen(function* () {
    const { cause, error, retries } = yield* failureOf(throws)
    const line = /RangeError: no Bobs \(at \/.*failureTexts\.test\.ts:\d+\); the record: \{"name":"Bob"\}$/
    assert.match(error.message, line)
    assert.equal(retries.length, 2)
    assert.match(retries[0]!, line)
    assert.match(retries[1]!, /^a task is tried again \(stage .*, partition 0\): the same$/)
    assert.match(told(cause, false), /the record: \{"name":"Bob"\} \(--debug shows the stack\)$/)
    const hidden = yield* failureOf(throws, { showRecords: false })
    assert.match(hidden.error.message, /RangeError: no Bobs \(at .*failureTexts\.test\.ts:\d+\)$/)
    assert.ok(hidden.retries.every((retry) => !retry.includes('Bob"')))
  }))

const reads = StateSpec.make((_name: string, _one: number | undefined, state: State<number>) => state.get())

it("what can only fail again is tried once", () =>
  Effect.gen(function* () {
    const keyed = people.pipe(DStream.map((): [any, number] => [undefined, 1]))
    const none = { name: "none", numPartitions: 1, partition: () => 7 }
    const cases: ReadonlyArray<readonly [any, RegExp]> = [
      [keyed.pipe(DStream.groupByKey()), /UnhashableKey/],
      [keyed.pipe(DStream.partitionBy(none)), /PartitionOutOfRange/],
      [
        people.pipe(DStream.map(() => Promise.resolve(1))),
        /map's function returned a Promise; .*; the record: \{"name":"Ada"\}$/
      ],
      [
        people.pipe(DStream.mapToPair(({ name }) => [name, 1]), DStream.mapWithState(reads)),
        /it cannot be read: .* \(at \/.*failureTexts\.test\.ts:\d+\); the record: \["Ada",1\]$/
      ],
      [people.pipe(DStream.mapEffect((() => 1) as any)), /has to return an Effect, and returned 1/]
    ]
    for (const [stream, text] of cases) {
      const { error, retries } = yield* failureOf(stream)
      assert.deepEqual(retries, [])
      assert.match(error.message, /^operator ".*" failed in partition 0, and would again: /)
      assert.match(error.message, text)
    }
  }))

test("what ends a program is told with what it was caused by", () => {
  const error = new Error("it failed\nsomehow", { cause: new Error("nobody listens") })
  assert.equal(told(Cause.fail(error), false), "it failed; caused by Error: nobody listens")
})

test("the frame of a user is the first that is not the package's, another's or the platform's", () => {
  const own = new URL("../../core/rdd/Fusion.ts", import.meta.url).href
  const stack = [
    "RangeError: no",
    "    at Array.map (<anonymous>)",
    "    at eval (eval at compile (file:///x/loop.js:1:1), <anonymous>:7:3)",
    `    at push (${own}:1:2)`,
    "    at next (file:///home/ada/node_modules/effect/dist/internal.js:1:2)",
    "    at node:internal/process:1:2",
    "    at async half (file:///home/ada/my%20app/app.ts:12:7)",
    "    at file:///home/ada/other.ts:1:1"
  ]
  assert.equal(userFrame(stack.join("\n")), "/home/ada/my app/app.ts:12")
  assert.equal(userFrame("Error: no\n    at /home/ada/app.ts:3:1"), "/home/ada/app.ts:3")
  assert.equal(userFrame(stack.slice(0, 6).join("\n")), undefined)
  assert.equal(userFrame(undefined), undefined)
})

class Person {
  readonly name = "Ada"
}

test("a record is told by its beginning, whatever it is", () => {
  const circular: Record<string, unknown> = {}
  circular["self"] = circular
  const cases: ReadonlyArray<readonly [unknown, string]> = [
    ["a\nb", `"a\\nb"`],
    [["a", 1n, undefined], `["a","1n","undefined"]`],
    [{ a: new Map() }, `{"a":"a Map"}`],
    [new Date(0), `"1970-01-01T00:00:00.000Z"`],
    [undefined, "undefined"],
    [5, "5"],
    [circular, "an object"],
    [new Person(), `{"name":"Ada"}`]
  ]
  for (const [record, text] of cases) assert.equal(describeRecord(record), text)
  assert.ok(describeRecord("x".repeat(1_000_000)).length <= 103)
  assert.ok(describeRecord(Array.from({ length: 1_000_000 }, () => "x")).length <= 103)
})
