/**
 * BatchPlanner: what is asked of the world for a batch, how often, and what becomes of it when an answer fails.
 */
import * as assert from "node:assert/strict"
import { Effect, Schema } from "effect"
import * as Queue from "../../../adapters/queue/mod.ts"
import * as DStreamGraph from "../../../core/dstream/DStreamGraph.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { Border } from "../../../core/protocol/RecordCodec.ts"
import * as BatchPlanner from "../../../runtime/driver/BatchPlanner.ts"
import { it } from "../../kit.ts"

const plannerOf = (...streams: ReadonlyArray<DStream.AnyDStream>) =>
  BatchPlanner.make(
    DStreamGraph.make(StreamingApp.make({
      name: "planned",
      batchDuration: 1000,
      outputs: streams.map((stream) => stream.pipe(DStream.print()))
    })),
    { zeroTime: 0 }
  ).pipe(Effect.provideService(Border, Border.local))

/** What the planner asked of it stands in `asked`. */
const direct = (
  name: string,
  asked: Array<string>,
  answer: (time: number) => Effect.Effect<void, Error> = () => Effect.void
): DStream.DStream<number, Error> =>
  DStream.fromInput<number, Error, never>("asked", {
    kind: "direct",
    planner: Effect.succeed({
      plan: ({ time }) =>
        Effect.map(
          Effect.andThen(Effect.sync(() => void asked.push(`${name} ${time}`)), answer(time)),
          () => ({ records: 1, partitions: [{ kind: "source", value: name, records: 1 }] })
        )
    }),
    reader: Effect.die(new Error("nothing is read here"))
  }).pipe(DStream.named(name))

it("a side value that operators share is evaluated once for a batch, others of the same kind on their own", () =>
  Effect.gen(function* () {
    let evaluated = 0
    const next = Effect.sync(() => ++evaluated)
    const shared = DStream.sideValue(next, Schema.NumberFromString)
    const own = DStream.sideValue(next, Schema.NumberFromString)
    const use = (name: string, side: typeof shared) => (self: DStream.DStream<number, Error>) =>
      self.pipe(DStream.transform((rdd) => rdd, { sideValues: { side, again: side } }), DStream.named(name))
    const input = direct("in", [])
    const planner = yield* plannerOf(
      input.pipe(use("a", shared), use("b", shared)),
      input.pipe(use("c", own)),
      input.pipe(use("d", shared))
    )
    const sides = (time: number) => Effect.map(planner.sideValues(time), (sideValues) => new Map(sideValues))
    const first = yield* sides(1000)
    assert.equal(evaluated, 2)
    assert.equal(first.size, 8)
    for (const key of ["a#side", "a#again", "b#side", "b#again", "d#side", "d#again"]) {
      assert.equal(first.get(key), first.get("a#side"), key)
    }
    assert.equal(first.get("c#side"), first.get("c#again"))
    assert.deepEqual([first.get("a#side"), first.get("c#side")].sort(), ["1", "2"], "as the schema encodes it")
    yield* sides(2000)
    assert.equal(evaluated, 4)
  }))

it("an input that cannot be planned is named with the batch, and the plan says what the others gave", () =>
  Effect.gen(function* () {
    const asked: Array<string> = []
    const queue = [["one"], ["two"], ["three"]]
    const broken = direct("broken", asked, (time) => time === 1000 ? Effect.fail(new Error("no route")) : Effect.void)
    const after = direct("after", asked)
    const planner = yield* plannerOf(Queue.stream(queue).pipe(DStream.named("queue")), broken, after)
    const { asked: plan, failures: [error, ...more] } = yield* planner.ask(1000, [])
    assert.ok(error instanceof BatchPlanner.PlanningFailed && more.length === 0)
    assert.deepEqual([error.operator, error.time], ["broken", 1000])
    assert.match(error.message, /batch 1000 ms .*at operator "broken": .*no route/)
    assert.deepEqual(asked, ["broken 1000", "after 1000"])
    assert.deepEqual(queue, [["two"], ["three"]])
    assert.deepEqual(plan.inputs.map(({ stream }) => stream), ["queue", "after"])
    assert.deepEqual(plan.inputs[0]!.partitions, [{
      kind: "inline",
      data: { kind: "value", value: ["one"] },
      records: 1
    }])
    const { asked: { inputs } } = yield* planner.ask(2000, [])
    assert.deepEqual(inputs.map(({ stream }) => stream), ["queue", "broken", "after"])
    assert.deepEqual(inputs[0]!.partitions, [{ kind: "inline", data: { kind: "value", value: ["two"] }, records: 1 }])
  }))

it("a side value that fails or dies fails the plan with the operator that uses it first", () =>
  Effect.gen(function* () {
    const failures = [Effect.fail(new Error("no clock")), Effect.die(new Error("no clock"))]
    for (const failure of failures) {
      const side = DStream.sideValue(failure as Effect.Effect<number, Error>, Schema.Number)
      const planner = yield* plannerOf(
        direct("in", []).pipe(DStream.transform((rdd) => rdd, { sideValues: { side } }), DStream.named("timed"))
      )
      const error = yield* Effect.flip(planner.sideValues(1000))
      assert.equal(error.operator, "timed")
      assert.match(error.message, /no clock/)
    }
  }))
