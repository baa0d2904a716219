/**
 * states: what is kept by key from batch to batch, of a receiver's words and of an input that is part of the program: two outputs
 * over one state, a state over another, a window over a state's versions, timeouts.
 */
import { Effect } from "effect"
import * as DStream from "../../../core/operators/mod.ts"
import type { State } from "../../../core/state/State.ts"
import * as StateSpec from "../../../core/state/StateSpec.ts"
import type { ReferenceProgram } from "./ReferenceProgram.ts"
import { replayedPairs } from "./replayed.ts"

/** A key is forgotten when nothing came for a while. */
interface Count {
  readonly total: number
  readonly idle: number
}

export const states: ReferenceProgram = {
  name: "states",
  sourcesMax: 2,
  keepsState: true,
  outputs: ({ streams, dice, stumble, trip, collect, deliver }) => {
    const { batchMillis, checkpointBatches, partitions, windowBatches } = dice
    const every = DStream.checkpoint(checkpointBatches * batchMillis)
    const words = DStream.unionAll(streams).pipe(
      DStream.flatMap((line) => line.split(" ").slice(1)),
      DStream.mapToPair((word): [string, number] => [word, 1])
    )
    const counts = words.pipe(
      DStream.updateStateByKey((values: ReadonlyArray<number>, state: Count | undefined): Count | undefined => {
        trip()
        const { idle, total } = state ?? { total: 0, idle: 0 }
        if (values.length === 0) return idle < 2 ? { total, idle: idle + 1 } : undefined
        return { total: total + values.length, idle: 0 }
      }, { numPartitions: partitions }),
      every
    )
    const pairs = replayedPairs().pipe(DStream.mapEffect((pair) => Effect.as(stumble, pair)))
    const sessions = pairs.pipe(
      DStream.mapWithState(
        StateSpec.make((key: string, value: number | undefined, state: State<number>) => {
          trip()
          if (state.isTimingOut()) return `${key} ends with ${state.get()}`
          const sum = (state.getOrUndefined() ?? 0) + (value ?? 0)
          if (sum % 11 === 10) state.remove()
          else state.update(sum)
          return `${key} ${sum}`
        }).pipe(
          StateSpec.timeout(3 * batchMillis, { sweep: dice.effectMillis % 2 === 0 ? "batch" : "checkpoint" }),
          StateSpec.initialState([["k00", 1000], ["never", 1]]),
          StateSpec.numPartitions(partitions)
        )
      ),
      every
    )
    const open = sessions.pipe(DStream.stateSnapshots)
    const longest = open.pipe(
      DStream.updateStateByKey((sums: ReadonlyArray<number>, state: number | undefined) => {
        trip()
        return Math.max(state ?? 0, ...sums)
      }, { expireAfter: 4 * batchMillis }),
      DStream.checkpoint((checkpointBatches + 1) * batchMillis)
    )
    return [
      counts.pipe(collect("counts")),
      counts.pipe(DStream.mapValues(({ total }) => total * 2), DStream.filter(([, n]) => n > 2), collect("doubled")),
      sessions.pipe(collect("sessions")),
      open.pipe(deliver("open")),
      open.pipe(DStream.window(windowBatches * batchMillis), DStream.count, collect("opened")),
      longest.pipe(collect("longest"))
    ]
  }
}
