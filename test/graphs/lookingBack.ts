/**
 * Operators of random graphs that look back in time: windows and states.
 */
import { DStream, type State, StateSpec } from "../../core/mod.ts"
import { concat, keyOf, small, type Stream, word } from "./Node.ts"
import { millisOf, type Operator, operator, shuffleText, windowOf } from "./Operator.ts"

const sum = (a: number, b: number) => a + b
const difference = (a: number, b: number) => a - b
const isSome = ([, value]: readonly [unknown, number]) => value !== 0

const windows: ReadonlyArray<Operator> = [
  operator("window", (parent, numbers) => {
    const { durations, known } = windowOf(parent, numbers)
    return {
      stream: parent.stream.pipe(DStream.window(...durations)),
      ...known,
      isPairs: parent.isPairs,
      records: parent.records * numbers.window,
      partitions: parent.partitions * numbers.window
    }
  }),
  operator("countByWindow", (parent, numbers) => {
    const { durations, known } = windowOf(parent, numbers)
    return { stream: parent.stream.pipe(DStream.countByWindow(...durations)), ...known, records: 1, partitions: 1 }
  }, { order: "makes" }),
  operator("countByValueAndWindow", (parent, numbers) => {
    const { durations, known } = windowOf(parent, numbers)
    const stream = parent.stream.pipe(
      DStream.map(keyOf),
      DStream.countByValueAndWindow(...durations, numbers.shuffle)
    )
    const text = `${known.text}, ${shuffleText(numbers.shuffle)}`
    return { stream, ...known, text, isPairs: true, records: 10, partitions: 4 }
  }, { order: "loses" }),
  operator("reduceByWindow", (parent, numbers) => {
    const { durations, known } = windowOf(parent, numbers)
    const stream = numbers.n % 2 === 0
      ? parent.stream.pipe(DStream.map(word), DStream.reduceByWindow(concat, ...durations))
      : parent.stream.pipe(DStream.map(small), DStream.reduceByWindow(sum, ...durations, { inverse: difference }))
    const text = `${numbers.n % 2 === 0 ? "concat" : "sum with inverse"}, ${known.text}`
    return { stream, ...known, text, records: 1, partitions: 1 }
  }, { needsOrder: true }),
  operator("groupByKeyAndWindow", (parent, numbers) => {
    const { durations, known } = windowOf(parent, numbers)
    const stream = parent.stream.pipe(DStream.groupByKeyAndWindow(...durations, numbers.shuffle))
    return { stream, ...known, text: `${known.text}, ${shuffleText(numbers.shuffle)}`, isPairs: true, partitions: 4 }
  }, { onPairs: true, needsOrder: true }),
  operator("reduceByKeyAndWindow", (parent, numbers) => {
    const { durations, known } = windowOf(parent, numbers)
    const { n, shuffle } = numbers
    const options = { ...shuffle, inverse: difference, ...n % 3 === 1 ? { filter: isSome } : {} }
    const stream = n % 3 === 0
      ? parent.stream.pipe(DStream.mapValues(word), DStream.reduceByKeyAndWindow(concat, ...durations, shuffle))
      : parent.stream.pipe(DStream.mapValues(small), DStream.reduceByKeyAndWindow(sum, ...durations, options))
    const how = ["concat", "sum with inverse and filter", "sum with inverse"][n % 3]
    const text = `${how}, ${known.text}, ${shuffleText(shuffle)}`
    return {
      stream: checkpointed(stream, known.slide * parent.batchMillis, numbers.m),
      ...known,
      text,
      isPairs: true,
      partitions: 4
    }
  }, { onPairs: true, needsOrder: true, order: "loses" })
]

/** Some states have a checkpoint interval of their own. */
const checkpointed = (stream: Stream, millis: number, m: number): Stream =>
  m % 3 === 0 ? stream : stream.pipe(DStream.checkpoint((m % 3) * millis))

const initialState: ReadonlyArray<readonly [unknown, string]> = [["a", "first,"], [[1, "x"], "x,"], ["a", "second,"], [
  "never",
  "n,"
]]

/** Says the order of the values, and is gone after two batches without any. */
const remembers = (values: ReadonlyArray<unknown>, state: string | undefined): string | undefined => {
  if (values.length > 0) return (state?.replaceAll(".", "") ?? "").concat(...values.map(word)).slice(-60)
  return state?.endsWith("..") ? undefined : `${state}.`
}

/** Changes only with values. */
const stays = (values: ReadonlyArray<unknown>, state: string | undefined): string | undefined =>
  values.length === 0 ? state : (state ?? "").concat(...values.map(word)).slice(-60)

function* byPartition(
  entries: Iterable<readonly [unknown, ReadonlyArray<unknown>, string | undefined]>
): Generator<readonly [unknown, string]> {
  for (const [key, values, state] of entries) {
    const next = remembers(values, state)
    if (next !== undefined) yield [key, next]
  }
}

const mapping = (n: number) => (key: unknown, value: unknown, state: State<string>, { time }: { time: number }) => {
  if (state.isTimingOut()) return [key, state.get(), "over"]
  const before = state.getOrUndefined() ?? ""
  const code = small([value, n])
  if (code === 1 && state.exists()) state.remove()
  else if (code > 3) state.update(`${before}${word(value)}`.slice(-40))
  return code === 5 ? undefined : [key, before, time % 7]
}

const specOf = (millis: number, n: number, m: number, numPartitions: number | undefined) => {
  const spec = StateSpec.make(mapping(n))
  const spread = numPartitions === undefined ? spec : spec.pipe(StateSpec.numPartitions(numPartitions))
  const begun = n % 2 === 0 ? spread.pipe(StateSpec.initialState(initialState)) : spread
  if (m % 3 === 0) return begun
  return begun.pipe(
    StateSpec.timeout((m % 3) * millis, { sweep: m % 2 === 0 ? "batch" : "checkpoint" })
  )
}

const specText = (n: number, m: number) =>
  `${n % 2 === 0 ? "initial state, " : ""}${
    m % 3 === 0 ? "" : `timeout ${m % 3} slides, sweep ${m % 2 === 0 ? "batch" : "checkpoint"}, `
  }checkpoint ${m % 3}`

const known = { isPairs: true, partitions: 4, records: 12, lacks: false } as const
const onOrderedPairs = { onPairs: true, needsOrder: true } as const

const states: ReadonlyArray<Operator> = [
  operator("updateStateByKey", (parent, { m, n, shuffle }) => {
    const options = {
      ...shuffle,
      ...n % 2 === 0 ? { initialState } : {},
      ...m % 2 === 0 ? { expireAfter: (m % 3 + 1) * millisOf(parent) } : {}
    }
    const f = m % 4 < 2 ? remembers : stays
    const text = [f.name, JSON.stringify(Object.keys(options)), shuffleText(shuffle), `checkpoint ${m % 3}`].join(", ")
    return {
      stream: checkpointed(parent.stream.pipe(DStream.updateStateByKey(f, options)), millisOf(parent), m),
      ...known,
      text
    }
  }, { ...onOrderedPairs, order: "loses" }),
  operator("updateStateByPartition", (parent, { m, n, shuffle }) => {
    const options = { ...shuffle, ...n % 2 === 0 ? { initialState } : {} }
    const made = parent.stream.pipe(DStream.updateStateByPartition(byPartition, options))
    const text = [JSON.stringify(Object.keys(options)), shuffleText(shuffle), `checkpoint ${m % 3}`].join(", ")
    return { stream: checkpointed(made, millisOf(parent), m), ...known, text }
  }, { ...onOrderedPairs, order: "loses" }),
  operator("mapWithState", (parent, { m, n, shuffle }) => ({
    stream: checkpointed(
      parent.stream.pipe(DStream.mapWithState(specOf(millisOf(parent), n, m, shuffle.numPartitions))),
      millisOf(parent),
      m
    ),
    ...known,
    isPairs: false,
    isOrdered: m % 3 === 0,
    records: parent.records + 10,
    text: specText(n, m)
  }), onOrderedPairs),
  operator("stateSnapshots", (parent, { m, n, shuffle }) => {
    const mapped = parent.stream.pipe(DStream.mapWithState(specOf(millisOf(parent), n, m, shuffle.numPartitions)))
    const kept = m % 3 === 0 ? mapped : mapped.pipe(DStream.checkpoint((m % 3) * millisOf(parent)))
    return { stream: DStream.stateSnapshots(kept), ...known, text: specText(n, m) }
  }, { ...onOrderedPairs, order: "loses" })
]

export const lookingBack: ReadonlyArray<Operator> = [...windows, ...states]
