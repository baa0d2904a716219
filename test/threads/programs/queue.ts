/** A queue in the driver, whose records travel in the plans to all executors, and are used twice. */
import { Effect } from "effect"
import { threadId } from "node:worker_threads"
import * as Queue from "../../../adapters/queue/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { collect, RUN } from "./collected.ts"

export const batches = 5

const list = (batch: number) => Array.from({ length: 40 }, (_, i) => ({ batch, text: `record ${i}`, i }))

export default Effect.gen(function* () {
  const run = yield* RUN
  const records = Queue.stream(Array.from({ length: batches }, (_, batch) => list(batch)), { numPartitions: 4 })
  return StreamingApp.make({
    name: "queue",
    batchDuration: "100 millis",
    outputs: [
      records.pipe(collect(run, "all")),
      records.pipe(
        DStream.mapToPair(({ i, batch }) => [i % 3, batch]),
        DStream.reduceByKey((a, b) => a + b),
        DStream.map(([key, sum]) => ({ key, sum, threadId })),
        collect(run, "sums")
      )
    ]
  })
})
