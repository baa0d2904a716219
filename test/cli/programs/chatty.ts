/** Functions and Effects that write to the console where they run, and 30 records a batch to print. */
import { Console, Effect } from "effect"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"

const numbers = Memory.stream({
  numPartitions: 2,
  read: ({ batch, partition }) => Array.from({ length: 15 }, (_, i) => ({ batch, n: 15 * partition + i }))
})

const talks = numbers.pipe(
  DStream.map(({ batch, n }) => {
    if (n % 15 === 0) console.log(`function of batch ${batch} at ${n}`)
    return { batch, n }
  }),
  DStream.mapEffect(({ batch, n }) =>
    Effect.as(n % 15 === 0 ? Effect.log(`log of batch ${batch} at ${n}`) : Effect.void, n)
  )
)

export default StreamingApp.make({
  name: "chatty",
  batchDuration: "200 millis",
  outputs: [
    talks.pipe(DStream.print(15)),
    talks.pipe(DStream.foreachPartition((records) => Console.log(`partition of ${records.length}`)))
  ]
})
