/**
 * stateless: a receiver's lines beside an input that is part of the program, through operators that keep nothing.
 */
import { Clock, Effect, Schema } from "effect"
import * as Memory from "../../../adapters/memory/mod.ts"
import * as DStream from "../../../core/operators/mod.ts"
import * as RDD from "../../../core/rdd/RDD.ts"
import type { ReferenceProgram } from "./ReferenceProgram.ts"

const numbersOf = ({ batch, partition }: Memory.Part): ReadonlyArray<number> =>
  Array.from({ length: (batch * 7 + partition * 3) % 5 }, (_, i) => batch * 100 + partition * 10 + i)

const words = (line: string): ReadonlyArray<string> => line.split(" ").slice(1)

export const stateless: ReferenceProgram = {
  name: "stateless",
  sourcesMax: 1,
  outputs: ({ streams, dice, stumble, collect, deliver }) => {
    const lines = streams[0]!
    const numbers = Memory.stream({ numPartitions: 2, read: numbersOf })
    const second = DStream.sideValue(Effect.map(Clock.currentTimeMillis, (now) => now % 1000), Schema.Number)
    const slowly = (n: number) => Effect.as(Effect.andThen(Effect.sleep(n % dice.effectMillis), stumble), n + 1)
    return [
      lines.pipe(collect("lines")),
      lines.pipe(
        DStream.flatMap(words),
        DStream.filter((word) => word !== "eel"),
        DStream.map((word) => word.toUpperCase()),
        DStream.union(numbers.pipe(DStream.map((n) => `number ${n}`))),
        collect("words")
      ),
      numbers.pipe(
        DStream.mapEffect(slowly, { concurrency: dice.concurrency }),
        DStream.repartition(dice.partitions),
        DStream.mapPartitions((list) => [list.length, ...list]),
        DStream.glom,
        collect("spread")
      ),
      lines.pipe(
        DStream.transform(
          (rdd, { time, sideValues }) => rdd.pipe(RDD.map((line) => `${line} ${time} ${sideValues.second}`)),
          {
            sideValues: { second }
          }
        ),
        deliver("stamped")
      )
    ]
  }
}
