/**
 * Much data between threads: a shuffle of PAIRS pairs of texts, and the blocks of one receiver, which both threads read.
 */
import { Config, Effect } from "effect"
import { threadId } from "node:worker_threads"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { collect, RUN } from "./collected.ts"

const keys = 5000
export const text = (i: number): string => `text number ${i} of the pair, some forty letters long`

/** Stores so many blocks at once, each with its own records, and nothing more. */
const blocks = (count: number) =>
  DStream.fromInput<string, never, never>("blocks", {
    kind: "receiver",
    decode: undefined,
    receiver: {
      name: "blocks",
      storageLevel: "MEMORY_ONLY",
      preferredHost: undefined,
      onStop: Effect.void,
      onStart: (store) =>
        Effect.orDie(Effect.forEach(
          Array.from({ length: count }, (_, block) => block),
          (block) => store.array(Array.from({ length: 1000 }, (_, i) => text(block * 1000 + i))),
          { discard: true, concurrency: "unbounded" }
        ))
    }
  })

/** Long enough for the other thread to take the next task. */
const slowly = <A>(records: ReadonlyArray<A>): ReadonlyArray<A> => {
  const end = performance.now() + 20
  while (performance.now() < end);
  return records
}

export default Effect.gen(function* () {
  const run = yield* RUN
  const pairs = yield* Config.Int("PAIRS")
  const perPartition = pairs / 4
  const grouped = Memory.stream({
    numPartitions: 4,
    read: ({ partition }) => Array.from({ length: perPartition }, (_, i) => partition * perPartition + i),
    records: () => perPartition
  }).pipe(
    DStream.mapToPair((i) => [`key ${i % keys}`, text(i)]),
    DStream.groupByKey({ numPartitions: 4 })
  )
  const received = blocks(8).pipe(
    DStream.mapPartitions((records) => slowly(records).map((text) => ({ text, threadId })))
  )
  return StreamingApp.make({
    name: "bulk",
    batchDuration: "500 millis",
    settings: { blockInterval: 50 },
    outputs: [grouped.pipe(collect(run, "groups")), received.pipe(collect(run, "blocks"))]
  })
})
