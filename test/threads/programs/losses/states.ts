/**
 * Counts by key of an input that is part of the program, with a snapshot every second batch. Each batch waits until the journal
 * says "go" and its number, or "go on". A thread dies when the journal says "kill" and its number.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { isMainThread, threadId } from "node:worker_threads"
import { Effect, Layer } from "effect"
import * as Memory from "../../../../adapters/memory/mod.ts"
import { DStream, type State, StateSpec, StreamingApp } from "../../../../core/mod.ts"
import { collect, RUN } from "../collected.ts"
import { JOURNAL, note } from "../journal.ts"

const exists = (journal: string, order: string) => fs.existsSync(path.join(journal, order))

const mortal = (journal: string) =>
  Layer.effectDiscard(Effect.gen(function* () {
    if (isMainThread) return
    note(journal, `lives ${threadId}`)
    const killed = Effect.gen(function* () {
      while (!exists(journal, `kill ${threadId}`)) yield* Effect.sleep(10)
      process.exit(7)
    })
    yield* Effect.forkScoped(killed)
  }))

export const pairsOf = (batch: number): ReadonlyArray<readonly [string, number]> =>
  Array.from({ length: 40 }, (_, i) => [`k${(batch * 7 + i * i) % 31}`, batch * 100 + i] as const)

export default Effect.gen(function* () {
  const run = yield* RUN
  const journal = yield* JOURNAL
  const pairs = Memory.stream({
    numPartitions: 2,
    read: ({ batch, partition }) => pairsOf(batch).filter((_, i) => i % 2 === partition)
  })
  const held = pairs.pipe(
    DStream.mapEffect((pair) =>
      Effect.gen(function* () {
        while (!exists(journal, `go ${Math.floor(pair[1] / 100)}`) && !exists(journal, "go on")) yield* Effect.sleep(5)
        return pair
      }), { concurrency: 40 })
  )
  const sums = held.pipe(
    DStream.updateStateByKey((values: ReadonlyArray<number>, state: number | undefined, { key, time }) => {
      if (key === "k0") note(journal, `steps ${threadId} ${time}`)
      return values.reduce((a, b) => a + b, state ?? 0)
    }, { numPartitions: 4 }),
    DStream.checkpoint("400 millis")
  )
  const times = held.pipe(
    DStream.mapWithState(
      StateSpec.make((_key: string, _value: number | undefined, state: State<number>) => {
        state.update((state.getOrUndefined() ?? 0) + 1)
        return state.get()
      }).pipe(StateSpec.numPartitions(4))
    ),
    DStream.checkpoint("400 millis")
  )
  return StreamingApp.make({
    name: "states",
    batchDuration: "200 millis",
    layer: mortal(journal),
    outputs: [sums.pipe(collect(run, "sums")), times.pipe(DStream.stateSnapshots, collect(run, "times"))]
  })
})
