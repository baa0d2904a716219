/**
 * Windows as the reference model has them: all batches of the parent in (time - window, time], looked for anew at each time.
 */
import type { Time } from "../../core/time/Time.ts"
import { type Combine, combineByKey, keyText, type Pair, type Partitions } from "./Partitions.ts"
import type { Version } from "./states.ts"
import { batchesOf, partitionerOf, previousOf, timesOf, type View } from "./World.ts"

type Reduce = (a: any, b: any) => any

/** The parent's batch times in the window that ends at `end`. */
const timesIn = (view: View, end: Time): ReadonlyArray<Time> => {
  const window = view.stream.params["windowMillis"] as number
  return timesOf(view.stream.parents[0]!, batchesOf(view)).filter((time) => end - window < time && time <= end)
}

const dataOf = (view: View, times: ReadonlyArray<Time>): Partitions =>
  times.flatMap((time) => view.parent(0, time) ?? [])

/** The partitions of all batches, one batch after the other. */
export const windowed = (view: View): Partitions => dataOf(view, timesIn(view, view.time))

/** A list of lists for each key becomes one list. */
const joining: Combine = {
  create: (values) => values,
  mergeValue: (all, values) => [...all, ...values],
  mergeCombiners: (a, b) => [...a, ...b],
  mapSide: false
}

/** The parent has the groups of each batch. */
export const groupedWindow = (view: View): Partitions => combineByKey(windowed(view), partitionerOf(view), joining)

/** The parent has the reductions of each batch; those of the window are reduced from the left. */
export const reducedWindow = (view: View): Partitions =>
  combineByKey(windowed(view), partitionerOf(view), reducing(view.stream.params["f"] as Reduce))

const reducing = (f: Reduce): Combine => ({
  create: (value) => value,
  mergeValue: f,
  mergeCombiners: f,
  mapSide: false
})

/**
 * With an inverse a key keeps what the inverse left of it: what has left since the batch before is taken out of its value, what has
 * come is added, and what the filter does not like is dropped. The whole state is one table; it is spread when it is shown.
 */
export const inverseVersion = (view: View, before: (time: Time) => Version): Version => {
  const { f, filter, inverse } = view.stream.params as Record<string, Reduce> & { filter?: (pair: Pair) => boolean }
  const previous = previousOf(view)
  const now = timesIn(view, view.time)
  const then = previous === undefined ? [] : timesIn(view, previous)
  const partitioner = partitionerOf(view)
  const reduced = (times: ReadonlyArray<Time>) => combineByKey(dataOf(view, times), partitioner, reducing(f!))
  const gone = reduced(then.filter((time) => !now.includes(time)))
  const come = reduced(now.filter((time) => !then.includes(time)))
  const tables = previous === undefined ? gone.map(() => []) : before(previous).states
  const states = tables.map((pairs, i) => {
    const left = pairs.map(([key, value]): Pair => {
      const out = gone[i]!.find(([other]) => isSame(key, other))
      return [key, out === undefined ? value : inverse!(value, out[1])]
    })
    const fresh = come[i]!.filter(([key]) => !left.some(([other]) => isSame(key, other)))
    const kept = left.map(([key, value]): Pair => {
      const more = come[i]!.find(([other]) => isSame(key, other))
      return [key, more === undefined ? value : f!(value, more[1])]
    })
    return [...kept, ...fresh].filter((pair) => filter === undefined || filter(pair))
  })
  return { states, emitted: states }
}

const isSame = (a: unknown, b: unknown): boolean => keyText(a) === keyText(b)
