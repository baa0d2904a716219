import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { fuse, type Run, sliceRecords } from "../../core/rdd/Fusion.ts"
import { generatedStepsMax } from "../../core/rdd/fusion/GeneratedLoop.ts"
import type { NarrowOp } from "../../core/rdd/NarrowOp.ts"
import { HashPartitioner, PartitionOutOfRange } from "../../core/rdd/Partitioner.ts"
import { boundarySink, crossBoundary, type RecordStep, segmentsOf } from "../../core/rdd/Segment.ts"
import type { ShuffleBlock, ShuffleDependency } from "../../core/rdd/ShuffleDependency.ts"
import * as Sink from "../../core/rdd/Sink.ts"
import { UserFunctionError } from "../../core/rdd/UserFunctionError.ts"
import { sameKey } from "./keys.ts"

/** The chain as a pipeline of generators: one record at a time, each step on its own. */
function* naive(
  steps: ReadonlyArray<RecordStep>,
  records: ReadonlyArray<unknown>
): Generator<readonly [index: number, record: any]> {
  let stream: Iterable<readonly [number, any]> = records.map((record, index) => [index, record] as const)
  for (const step of steps) stream = naiveStep(step, stream)
  yield* stream
}

const attributed = <A>(operator: string, index: number, f: () => A): A => {
  try {
    return f()
  } catch (cause) {
    throw new UserFunctionError({ operator, index, cause })
  }
}

function* naiveStep({ op, operator }: RecordStep, stream: Iterable<readonly [number, any]>) {
  for (const [index, record] of stream) {
    const results: Array<unknown> = attributed(operator, index, () => {
      switch (op.kind) {
        case "map":
          return [op.f(record)]
        case "filter":
          return op.f(record) ? [record] : []
        case "flatMap":
          return [...op.f(record)]
        case "mapValues":
          return [[record[0], op.f(record[1])]]
        case "flatMapValues":
          return [...op.f(record[1])].map((value) => [record[0], value])
      }
    })
    for (const result of results) yield [index, result] as const
  }
}

interface Case {
  readonly name: string
  readonly sink: () => Sink.Sink<unknown>
  readonly naive: (stream: Iterable<readonly [number, any]>) => unknown
}

const onlyRecords = (stream: Iterable<readonly [number, any]>) => Array.from(stream, ([, record]) => record)
const text = (a: unknown, b: unknown) => `${String(a)}+${String(b)}`
const failing = <F extends (...values: Array<any>) => unknown>(f: F) =>
  ((...values: Array<any>) => {
    if (values.some((value) => String(value).endsWith("13"))) throw new RangeError("thirteen")
    return f(...values)
  }) as F

const sinks: ReadonlyArray<Case> = [
  { name: "collect", sink: () => Sink.collect, naive: onlyRecords },
  { name: "count", sink: () => Sink.count, naive: (stream) => onlyRecords(stream).length },
  ...[0, 1, 3].map((limit): Case => ({
    name: `take ${limit}`,
    sink: () => Sink.take(limit),
    naive: (stream) => {
      const taken: Array<unknown> = []
      if (limit > 0) {
        for (const [, record] of stream) if (taken.push(record) === limit) break
      }
      return taken
    }
  })),
  ...[text, failing(text)].map((f): Case => ({
    name: "reduce",
    sink: () => Sink.reduce(f, "reducer"),
    naive: (stream) => {
      let reduced: ReadonlyArray<unknown> = []
      for (const [index, record] of stream) {
        const [before] = reduced
        reduced = [reduced.length === 0 ? record : attributed("reducer", index, () => f(before, record))]
      }
      return reduced
    }
  })),
  {
    name: "spread",
    sink: () => Sink.shuffle({ kind: "spread", numPartitions: 3 }, 2, "spread"),
    naive: (stream) => {
      const records = onlyRecords(stream)
      return [0, 1, 2].map((p) => ({ kind: "records", records: records.filter((_, i) => (2 + i) % 3 === p) }))
    }
  }
]

const partitioner = HashPartitioner(3)
const combiner = { create: (v: unknown) => [v], mergeValue: (c: Array<unknown>, v: unknown) => [...c, v] }
const byKey = (mapSide: boolean | undefined, create = combiner.create): ShuffleDependency => ({
  kind: "byKey",
  partitioner,
  combiner: mapSide === undefined
    ? undefined
    : { create, mergeValue: combiner.mergeValue, mergeCombiners: (a, b) => [...a, ...b], mapSide }
})

const blocksOf = (pairs: ReadonlyArray<readonly [unknown, unknown]>): ReadonlyArray<ShuffleBlock> =>
  [0, 1, 2].map((p) => {
    const mine = pairs.filter(([key]) => partitioner.partition(key) === p)
    return { kind: "pairs", keys: mine.map(([key]) => key), values: mine.map(([, value]) => value) }
  })

const combined = (create: (value: unknown) => Array<unknown>) => (stream: Iterable<readonly [number, any]>) => {
  const pairs: Array<[unknown, Array<unknown>]> = []
  for (const [index, [key, value]] of stream) {
    const known = pairs.find(([other]) => sameKey(other, key))
    if (known === undefined) pairs.push([key, attributed("shuffle", index, () => create(value))])
    else known[1] = combiner.mergeValue(known[1], value)
  }
  return blocksOf(pairs)
}

const pairSinks: ReadonlyArray<Case> = [
  ...[undefined, false].map((mapSide): Case => ({
    name: "columns",
    sink: () => Sink.shuffle(byKey(mapSide), 0, "shuffle"),
    naive: (stream) => blocksOf(onlyRecords(stream))
  })),
  ...[combiner.create, failing(combiner.create)].map((create): Case => ({
    name: "combine",
    sink: () => Sink.shuffle(byKey(true, create), 0, "shuffle"),
    naive: combined(create)
  }))
]

type Shape = "plain" | "pair"
type Choice = readonly [op: NarrowOp & RecordStep["op"], after: Shape]

const plainSteps: ReadonlyArray<Choice> = [
  [{ kind: "map", f: (x: number) => x * 3 }, "plain"],
  [{ kind: "map", f: failing((x: number) => x + 0.5) }, "plain"],
  [{ kind: "filter", f: (x: number) => x % 2 !== 0 }, "plain"],
  [{ kind: "filter", f: failing((x: number) => (x > 10 ? "yes" : "") as unknown as boolean) }, "plain"],
  [{ kind: "flatMap", f: (x: number) => [x, x + 1] }, "plain"],
  [{ kind: "flatMap", f: (x: number) => x % 3 === 0 ? [] : new Set([x]) }, "plain"],
  [{
    kind: "flatMap",
    f: function* (x: number) {
      yield x
      if (x % 5 === 0) throw new Error("lazy")
    }
  }, "plain"],
  [{ kind: "map", f: (x: number) => [Math.abs(Math.trunc(x)) % 5, x] }, "pair"],
  [{ kind: "flatMap", f: (x: number) => [[`k${Math.trunc(x) % 3}`, x], [1, x]] }, "pair"]
]

const pairSteps: ReadonlyArray<Choice> = [
  [{ kind: "mapValues", f: (x: number) => x + 1 }, "pair"],
  [{ kind: "mapValues", f: failing((x: number) => x * 2) }, "pair"],
  [{ kind: "flatMapValues", f: (x: number) => x % 3 === 0 ? [] : [x, -x] }, "pair"],
  [{ kind: "flatMapValues", f: failing((x: number) => new Set([x])) }, "pair"],
  [{ kind: "filter", f: ([, x]: [unknown, number]) => x % 4 !== 0 }, "pair"],
  [{ kind: "map", f: ([k, x]: [unknown, number]) => [x % 2, `${String(k)}${x}`.length] }, "pair"],
  [{ kind: "map", f: ([, x]: [unknown, number]) => x }, "plain"],
  [{ kind: "flatMap", f: ([, x]: [unknown, number]) => [x, 7] }, "plain"]
]

interface Scenario {
  readonly steps: ReadonlyArray<RecordStep>
  readonly sink: Case
  readonly records: ReadonlyArray<number>
  readonly cuts: ReadonlyArray<number>
}

const scenarios: fc.Arbitrary<Scenario> = fc.record({
  choices: fc.array(fc.nat(100), { maxLength: 6 }),
  sink: fc.nat(100),
  records: fc.array(fc.integer({ min: -20, max: 50 }), { maxLength: 30 }),
  cuts: fc.array(fc.nat(12), { maxLength: 8 })
}).map(({ choices, sink, records, cuts }) => {
  let shape: Shape = "plain"
  const steps = choices.map((choice, at): RecordStep => {
    const pool: ReadonlyArray<Choice> = shape === "plain" ? plainSteps : pairSteps
    const [op, after] = pool[choice % pool.length]!
    shape = after
    return { op, operator: `step ${at}` }
  })
  const cases = (shape as Shape) === "pair" ? [...sinks, ...pairSinks] : sinks
  return { steps, sink: cases[sink % cases.length]!, records, cuts }
})

/** Pushes in slices as the cuts say, of chunks that hold more than the slice. */
const pushAll = (run: Run<unknown>, records: ReadonlyArray<unknown>, cuts: ReadonlyArray<number>): unknown => {
  let at = 0
  for (const cut of [...cuts, records.length]) {
    const to = Math.min(records.length, at + cut)
    const chunk = cut % 2 === 0 ? records : ["before", ...records.slice(at, to), "after"]
    const more = cut % 2 === 0 ? run.push(chunk, at, to) : run.push(chunk, 1, 1 + to - at)
    at = to
    if (!more) break
  }
  return run.finish()
}

const outcome = (compute: () => unknown) => {
  try {
    return { result: compute() }
  } catch (error) {
    if (!(error instanceof UserFunctionError)) throw error
    return { operator: error.operator, index: error.index, cause: String(error.cause) }
  }
}

test("a fused chain, generated or of closures, does what the operators do one by one, and fails where they fail", () => {
  const seen = new Map<string, number>()
  fc.assert(
    fc.property(scenarios, ({ steps, sink, records, cuts }) => {
      const expected = outcome(() => sink.naive(naive(steps, records)))
      for (const codeGeneration of [true, false, "auto"] as const) {
        const run = fuse(steps, sink.sink(), { codeGeneration }).start()
        assert.deepEqual(outcome(() => pushAll(run, records, cuts)), expected)
      }
      const name = `${sink.name} ${"result" in expected ? "succeeds" : "fails"}`
      seen.set(name, (seen.get(name) ?? 0) + 1)
    }),
    { numRuns: 3000, seed: 1 }
  )
  for (const { name } of [...sinks, ...pairSinks]) {
    assert.ok(seen.has(`${name} succeeds`), `${name} was never seen to succeed`)
  }
  for (const name of ["collect", "count", "take 3", "reduce", "spread", "columns", "combine"]) {
    assert.ok(seen.has(`${name} fails`), `${name} was never seen to fail`)
  }
})

const step = (kind: RecordStep["op"]["kind"], f: (value: any) => any, operator: string = kind): RecordStep => ({
  op: { kind, f },
  operator
})

test("one compiled loop serves many runs, at the same time and one after the other", () => {
  const steps = [step("map", (x: number) => x + 1)]
  const loop = fuse(steps, Sink.reduce((a: number, b: number) => a + b, "sum"))
  const [a, b] = [loop.start(), loop.start()]
  a.push([1, 2], 0, 2)
  b.push([10], 0, 1)
  a.push([3], 0, 1)
  assert.deepEqual([a.finish(), b.finish(), loop.start().finish()], [[9], [11], []])
})

test("chains that share their functions keep their own operators' names", () => {
  const f = () => {
    throw new Error("no")
  }
  for (const codeGeneration of [true, false]) {
    for (const name of ["first", "second"]) {
      const run = fuse([step("map", f, name)], Sink.count, { codeGeneration }).start()
      run.push([1, 2, 3], 0, 0)
      assert.throws(() => run.push([1], 0, 1), (error) => error instanceof UserFunctionError && error.operator === name)
    }
  }
})

test("a take stops calling functions once it has enough, also within a flatMap and in later pushes", () => {
  for (const codeGeneration of [true, false]) {
    const calls: Array<number> = []
    const steps = [step("flatMap", (x: number) => [x, x]), step("map", (x: number) => calls.push(x))]
    const run = fuse(steps, Sink.take(3), { codeGeneration }).start()
    assert.equal(run.push([1], 0, 1), true)
    assert.equal(run.push([2, 3], 0, 2), false)
    assert.equal(run.push([4], 0, 1), false)
    assert.deepEqual(calls, [1, 1, 2])
    assert.deepEqual(run.finish(), [1, 2, 3])
    const none = fuse(steps, Sink.take(0), { codeGeneration }).start()
    assert.equal(none.push([5], 0, 1), false)
    assert.deepEqual(calls, [1, 1, 2])
  }
})

test("a record that is no pair, a key that is none and a partitioner out of its range fail with the operator's name", () => {
  const far = { name: "far", numPartitions: 2, partition: () => 2 }
  const shuffles: ReadonlyArray<
    readonly [dependency: ShuffleDependency, record: unknown, cause: string, index: number | undefined]
  > = [
    [byKey(true), [undefined, 1], "UnhashableKey", 1],
    [byKey(undefined), [new Date(0), 1], "UnhashableKey", 1],
    [byKey(true), undefined, "TypeError", 1],
    [{ kind: "byKey", partitioner: far, combiner: undefined }, ["a", 1], "PartitionOutOfRange", 0],
    [{ ...byKey(true), partitioner: far } as ShuffleDependency, ["a", 1], "PartitionOutOfRange", undefined]
  ]
  for (const codeGeneration of [true, false]) {
    for (const [dependency, record, cause, index] of shuffles) {
      const run = fuse([], Sink.shuffle(dependency, 0, "words"), { codeGeneration }).start()
      assert.throws(
        () => pushAll(run, [["good", 0], record], [1]),
        (error) =>
          error instanceof UserFunctionError && error.operator === "words" && error.index === index &&
          (error.cause as Error).name === cause && error.message.startsWith(`Operator "words" failed on`)
      )
    }
  }
  assert.equal(new PartitionOutOfRange({ partitioner: "p", numPartitions: 1, message: "" })._tag, "PartitionOutOfRange")
})

test("a chain longer than generated code may be runs as closures", () => {
  const steps = Array.from({ length: generatedStepsMax + 1 }, () => step("map", (x: number) => x + 1))
  assert.deepEqual(pushAll(fuse(steps, Sink.collect, { codeGeneration: true }).start(), [0, 1], []), [65, 66])
})

test("a chain is cut after each operation that needs the whole partition, and the pieces do what the whole does", () => {
  const operator = "o"
  const sum = (a: number, b: number) => a + b
  const chain: ReadonlyArray<{ readonly op: NarrowOp; readonly operator: string }> = [
    step("map", (x: number) => x + 1),
    { op: { kind: "mapPartitions", f: (records) => new Set(records) }, operator },
    step("flatMap", (x: number) => [x, x]),
    { op: { kind: "reducePartition", f: sum }, operator },
    { op: { kind: "mapPartitions", f: (records) => [records.length, ...records] }, operator },
    { op: { kind: "countPartition" }, operator }
  ]
  const segments = segmentsOf(chain)
  assert.deepEqual(segments.map(({ steps, end }) => [steps.length, end?.op.kind]), [
    [1, "mapPartitions"],
    [1, "reducePartition"],
    [0, "mapPartitions"],
    [0, "countPartition"],
    [0, undefined]
  ])
  for (const [input, seen] of [[[1, 2, 2], [[2, 3], [10], [1, 10], [2]]], [[], [[], [], [0], [1]]]] as const) {
    let records: ReadonlyArray<unknown> = input
    for (const [i, { steps, end }] of segments.slice(0, -1).entries()) {
      const result = pushAll(fuse(steps, boundarySink(end!)).start(), records, []) as ReadonlyArray<unknown>
      records = crossBoundary(end as Parameters<typeof crossBoundary>[0], result)
      assert.deepEqual(records, seen[i])
    }
  }
})

test("a mapPartitions that throws, at once or while it is read, fails with its operator's name", () => {
  const f = function* () {
    yield 1
    throw new Error("late")
  }
  assert.throws(
    () => crossBoundary({ op: { kind: "mapPartitions", f }, operator: "glom" }, []),
    (error) => error instanceof UserFunctionError && error.operator === "glom" && error.index === undefined
  )
})

test("long partitions pushed in slices give what one push gives", () => {
  const records = Array.from({ length: 3 * sliceRecords + 5 }, (_, i) => i)
  const steps = [step("map", (x: number) => x * 3), step("filter", (x: number) => x % 2 === 1)]
  const sum = Sink.reduce((a: number, b: number) => a + b, "sum")
  const slices = [sliceRecords, sliceRecords, sliceRecords]
  assert.deepEqual(pushAll(fuse(steps, sum).start(), records, slices), pushAll(fuse(steps, sum).start(), records, []))
})
