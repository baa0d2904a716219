/**
 * W7 start: 100 lines a batch, their words counted and printed; 100 ms batches.
 */
import { DStream, linesOf, Memory, StreamingApp } from "./kit.ts"

export default StreamingApp.make({
  name: "start",
  batchDuration: "100 millis",
  outputs: [
    Memory.stream({ numPartitions: 2, read: ({ partition }) => linesOf(partition, 50), records: () => 50 }).pipe(
      DStream.flatMap((line) => line.split(" ")),
      DStream.mapToPair((word) => [word, 1]),
      DStream.reduceByKey((a, b) => a + b),
      DStream.print()
    )
  ]
})
