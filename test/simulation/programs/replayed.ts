/**
 * Pairs that are part of the program, so that any batch of them can be read again. Keys come for some batches, and then are away
 * for long.
 */
import * as Memory from "../../../adapters/memory/mod.ts"
import type { DStream } from "../../../core/dstream/DStream.ts"

export type Pair = readonly [string, number]

export const replayedPairs = (): DStream<Pair> =>
  Memory.stream<Pair>({
    numPartitions: 2,
    read: ({ batch, partition }) =>
      Array.from(
        { length: (batch * 5 + partition * 3) % 6 },
        (_, i): Pair => [`k${Math.floor(batch / 4) % 5}${(i * i + partition) % 4}`, batch * 10 + i]
      )
  })
