/**
 * changing: a program that is another one when it is started again: an operator with a state is added, outputs change their places, one
 * is dropped, and what a state is made of changes.
 */
import { Effect } from "effect"
import * as DStream from "../../../../core/operators/mod.ts"
import type { DStream as Stream } from "../../../../core/dstream/DStream.ts"
import type { AnyOutput } from "../../../../core/dstream/Output.ts"
import type { ReferenceProgram } from "../ReferenceProgram.ts"

interface Total {
  readonly total: number
  readonly batches: number
}

export const changing: ReferenceProgram = {
  name: "changing",
  sourcesMax: 2,
  keepsState: true,
  recovers: true,
  commits: true,
  changes: true,
  outputs: ({ streams, dice, version, stumble, trip, collect, commit }) => {
    const { batchMillis, checkpointBatches, partitions } = dice
    const ones = DStream.unionAll(streams).pipe(
      DStream.mapEffect((line) => Effect.as(stumble, line)),
      DStream.flatMap((line) => line.split(" ").slice(1)),
      DStream.mapToPair((word): [string, number] => [word, 1])
    )
    const every = DStream.checkpoint(checkpointBatches * batchMillis)

    const asNumbers = (): Stream<[string, number], unknown> =>
      ones.pipe(
        DStream.updateStateByKey((counts: ReadonlyArray<number>, state: number | undefined) => {
          trip()
          return (state ?? 0) + counts.length
        }, { numPartitions: partitions }),
        every,
        DStream.named("totals")
      )
    const asRecords = (): Stream<[string, number], unknown> =>
      ones.pipe(
        DStream.updateStateByKey((counts: ReadonlyArray<number>, state: Total | undefined): Total => {
          trip()
          return { total: (state?.total ?? 0) + counts.length, batches: (state?.batches ?? 0) + 1 }
        }, {
          numPartitions: partitions,
          version: 2,
          migrations: { 1: (total: number): Total => ({ total, batches: 0 }) }
        }),
        every,
        DStream.named("totals"),
        DStream.mapValues(({ total }) => total)
      )
    const longest = () =>
      ones.pipe(
        DStream.updateStateByKey((counts: ReadonlyArray<number>, state: number | undefined) => {
          trip()
          return Math.max(state ?? 0, counts.length)
        }, { numPartitions: partitions }),
        every,
        DStream.named("most")
      )

    const totals = version < 2 ? asNumbers() : asRecords()
    const outputs: Array<AnyOutput> = [
      totals.pipe(commit("totals")),
      ...(version < 2 ? [DStream.unionAll(streams).pipe(collect("lines"))] : []),
      ...(version > 0
        ? [longest().pipe(commit("most")), ones.pipe(DStream.reduceByKey((a, b) => a + b), collect("counts"))]
        : [])
    ]
    return version % 2 === 0 ? outputs : outputs.toReversed()
  }
}
