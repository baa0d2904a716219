/**
 * States and windows over ticks that were missed: what a batch would have done that is missing, the next one does.
 */
import assert from "node:assert/strict"
import { test } from "node:test"
import * as GeneratedRDDs from "../../core/dstream/GeneratedRDDs.ts"
import { DStream, type State, StateSpec } from "../../core/mod.ts"
import type { StateRDD } from "../../core/rdd/Stage.ts"
import type { StateStore } from "../../core/state/StateStore.ts"
import { graphOf, partition, readAll, source, stepTo } from "./stepping.ts"

const pairs = source<readonly [string, number]>([])

/** The state RDDs of the stream at its times, of batches at these seconds only. */
const statesOf = (stream: DStream.AnyDStream, seconds: ReadonlyArray<number>): ReadonlyArray<StateRDD> => {
  const graph = graphOf(1000, [stream])
  const lineage = GeneratedRDDs.make(graph, { defaultParallelism: 1 })
  return seconds.flatMap((second, i) => {
    const before = seconds[i - 1] ?? 0
    const missed = before + 1 < second ? { missedSince: before * 1000 } : {}
    lineage.addPlan({ time: second * 1000, zeroTime: 0, inputs: [], sideValues: [], ...missed })
    const view = lineage.getOrCompute(graph.outputs[0]!.stream, second * 1000)
    return view?.lineage.kind === "stateView" ? [view.lineage.parent as StateRDD] : []
  })
}

const inputTimes = (window: number, slide: number, seconds: ReadonlyArray<number>) =>
  statesOf(pairs.pipe(DStream.reduceByKeyAndWindow((a, b) => a + b, window, slide)), seconds)
    .map(({ identity, lineage }) => [identity.time, lineage.inputTimes])

test("a reduction over a window whose last slide is missing takes in all batches since the slide before", () => {
  assert.deepEqual(inputTimes(6000, 3000, [1, 2, 3, 4, 5, 7, 8, 9]), [
    [3000, [1000, 2000, 3000]],
    [9000, [4000, 5000, 7000, 8000, 9000]]
  ])
})

test("of the batches since the slide before, those that have left the window are not taken in", () => {
  assert.deepEqual(inputTimes(4000, 2000, [1, 3, 5, 6]), [[6000, [3000, 5000, 6000]]])
})

test("keys time out at the next batch where the one that would have looked for them is missing", () => {
  const spec = StateSpec.make((key: string, value: number | undefined, state: State<number>) => {
    if (state.isTimingOut()) return `${key} is gone`
    state.update(value ?? 0)
    return `${key} ${value}`
  }).pipe(StateSpec.timeout(1000))
  const stream = pairs.pipe(DStream.mapWithState(spec), DStream.checkpoint(4000))
  const states = statesOf(stream, [1, 2, 3, 5, 6])
  let store: StateStore | undefined
  const emitted = states.map(({ identity: { time }, lineage: { definition } }) => {
    store ??= definition.make(partition)
    stepTo(store, time, time === 1000 ? [["a", 1]] : [])
    return readAll(store, time, "emitted")
  })
  assert.deepEqual(emitted, [["a 1"], [], [], ["a is gone"], []])
})
