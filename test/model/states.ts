/**
 * States as the reference model has them: each version is a list of keys per partition, made anew from the version before.
 *
 * Shares nothing with the engine's stores: keys are looked for one by one by their text, what `mapWithState`'s function is given
 * is a handle of its own. The order of keys in a version is not that of the engine, which is a matter of its tables.
 */
import { Option } from "effect"
import type { AnyDStream } from "../../core/dstream/DStream.ts"
import type { Time } from "../../core/time/Time.ts"
import { keyText, type Pair, type Partitions, spreadByKey } from "./Partitions.ts"
import { batchesOf, partitionerOf, previousOf, slideOf, type View } from "./World.ts"

/** A state after a batch: the pairs of each partition, and what the batch emitted. */
export interface Version {
  readonly states: Partitions
  readonly emitted: Partitions
  /** By partition and text of a key: when it last got a value, or was set. */
  readonly since?: ReadonlyArray<ReadonlyMap<string, Time>>
}

interface Entry {
  readonly key: unknown
  readonly state: any
  /** When the key last got a value, or was set. */
  readonly since: Time
}

type Table = ReadonlyMap<string, Entry>

interface Step {
  readonly view: View
  readonly previous: Time | undefined
  readonly table: Table
  readonly pairs: ReadonlyArray<Pair>
  readonly partition: number
}

/** The version of a state at a batch; `before` gives earlier ones. */
export const versionOf = (view: View, before: (time: Time) => Version): Version => {
  const partitioner = partitionerOf(view)
  const previous = previousOf(view)
  const version = previous === undefined ? initialOf(view) : before(previous)
  const pairs = spreadByKey(view.parent(0) ?? [], partitioner) as ReadonlyArray<ReadonlyArray<Pair>>
  const steps = pairs.map((pairs, partition) => {
    const table = new Map(version.states[partition]!.map(([key, state]): [string, Entry] => {
      const text = keyText(key)
      return [text, { key, state, since: version.since![partition]!.get(text)! }]
    }))
    const step = { view, previous, table, pairs, partition }
    return view.stream.kind === "mapWithState" ? mapped(step) : updated(step)
  })
  return {
    states: steps.map(({ table }) => [...table.values()].map(({ key, state }) => [key, state])),
    since: steps.map(({ table }) => new Map([...table].map(([text, { since }]) => [text, since]))),
    emitted: steps.map(({ emitted }) => emitted)
  }
}

/** The initial state stands as if it had been set at the first batch; the last pair of a key counts. */
const initialOf = (view: View): Version => {
  const pairs = (view.stream.params["initialState"] ?? []) as ReadonlyArray<Pair>
  const states = spreadByKey(
    [[...new Map(pairs.map((pair) => [keyText(pair[0]), pair])).values()]],
    partitionerOf(view)
  )
  const since = states.map((pairs) => new Map(pairs.map(([key]) => [keyText(key), view.time])))
  return { states, since, emitted: [] }
}

/** The values of each key, keys in order of first appearance. */
const grouped = (pairs: ReadonlyArray<Pair>): Map<string, { readonly key: unknown; readonly values: Array<any> }> => {
  const groups = new Map<string, { readonly key: unknown; readonly values: Array<any> }>()
  for (const [key, value] of pairs) {
    const text = keyText(key)
    if (!groups.has(text)) groups.set(text, { key, values: [] })
    groups.get(text)!.values.push(value)
  }
  return groups
}

/** updateStateByKey, and updateStateByPartition: every key that is known or got a value is asked for its new state. */
const updated = ({ pairs, partition, table, view: { stream, time } }: Step) => {
  const expire = stream.params["expireMillis"] as number | undefined
  const groups = grouped(pairs)
  const known = [...table].filter(([text, { since }]) =>
    expire === undefined || groups.has(text) || since >= time - expire
  )
  const fresh = [...groups].filter(([text]) => !table.has(text))
  const entries = [...known, ...fresh].map(([text, { key }]) =>
    [key, groups.get(text)?.values ?? [], table.get(text)?.state] as const
  )
  const next: Array<Entry> = newStates(stream, entries, time, partition).map(([key, state]) => {
    const text = keyText(key)
    const isTouched = groups.has(text) || !table.has(text)
    return { key, state, since: isTouched ? time : table.get(text)!.since }
  })
  return { table: new Map(next.map((entry) => [keyText(entry.key), entry])), emitted: [] }
}

const newStates = (
  { kind, params }: AnyDStream,
  entries: ReadonlyArray<readonly [key: unknown, values: ReadonlyArray<any>, state: any]>,
  time: Time,
  partition: number
): ReadonlyArray<Pair> => {
  const f = params["f"] as (...values: ReadonlyArray<any>) => any
  if (kind === "updateStateByPartition") return [...f(entries, { time, partition })]
  return entries.flatMap(([key, values, state]): ReadonlyArray<Pair> => {
    const next = f(values, state, { key, time })
    return next === undefined ? [] : [[key, next]]
  })
}

/** mapWithState: the function is called for each value, then for each key that is timing out. */
const mapped = (step: Step) => {
  const { stream, time } = step.view
  const timeout = stream.params["timeoutMillis"] as number | undefined
  const f = stream.params["f"] as (key: unknown, value: unknown, state: Handle, batch: { time: Time }) => unknown
  const table = new Map(step.table)
  const emitted: Array<unknown> = []
  const emit = (record: unknown) => void (record === undefined || emitted.push(record))
  for (const [key, value] of step.pairs) {
    const text = keyText(key)
    const entry = table.get(text)
    const handle = new Handle(entry)
    emit(f(key, value, handle, { time }))
    if (handle.outcome === "removed") table.delete(text)
    else if (handle.outcome === "updated") table.set(text, { key, state: handle.state, since: time })
    else if (entry !== undefined && timeout !== undefined) table.set(text, { ...entry, since: time })
  }
  if (timeout !== undefined && isSwept(step)) {
    for (const [text, entry] of [...table]) {
      if (entry.since >= time - timeout) continue
      emit(f(entry.key, undefined, new Handle(entry, true), { time }))
      table.delete(text)
    }
  }
  return { table, emitted }
}

/** At every batch, or where a multiple of the checkpoint interval was reached since the batch before. */
const isSwept = ({ previous, view }: Step): boolean => {
  const { batchMillis, zeroTime } = batchesOf(view)
  if (view.stream.params["sweep"] === "batch") return true
  const every = view.stream.checkpointMillis ?? 10 * slideOf(view.stream, batchMillis)
  const reached = (time: Time) => Math.floor((time - zeroTime) / every)
  return reached(view.time) > reached(previous ?? zeroTime)
}

class Handle {
  state: any
  outcome: "updated" | "removed" | undefined
  private isSet: boolean
  private readonly isDue: boolean

  constructor(entry: Entry | undefined, isDue = false) {
    this.state = entry?.state
    this.isSet = entry !== undefined
    this.isDue = isDue
  }

  exists = () => this.isSet
  isTimingOut = () => this.isDue
  getOrUndefined = () => this.state
  getOption = () => this.isSet ? Option.some(this.state) : Option.none()
  get = () => {
    if (!this.isSet) throw new Error("there is no state")
    return this.state
  }
  update = (state: unknown) => this.change("updated", state)
  remove = () => this.change("removed", undefined)

  private change(outcome: "updated" | "removed", state: unknown): void {
    if (this.isDue || this.outcome === "removed") throw new Error("the state cannot be changed any more")
    this.outcome = outcome
    this.state = state
    this.isSet = outcome === "updated"
  }
}
