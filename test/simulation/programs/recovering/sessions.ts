/**
 * sessions: a state by key that ends when nothing comes for a while, into a sink that has each batch exactly once.
 */
import { Effect } from "effect"
import * as DStream from "../../../../core/operators/mod.ts"
import type { State } from "../../../../core/state/State.ts"
import * as StateSpec from "../../../../core/state/StateSpec.ts"
import type { ReferenceProgram } from "../ReferenceProgram.ts"

interface Session {
  readonly begun: number
  readonly events: number
}

export const sessions: ReferenceProgram = {
  name: "sessions",
  sourcesMax: 2,
  keepsState: true,
  recovers: true,
  commits: true,
  outputs: ({ streams, dice, stumble, trip, commit, deliver }) => {
    const { batchMillis, checkpointBatches, partitions } = dice
    const sessions = DStream.unionAll(streams).pipe(
      DStream.mapEffect((line) => Effect.as(stumble, line)),
      DStream.flatMap((line) => line.split(" ").slice(1)),
      DStream.mapToPair((word): [string, string] => [word, word]),
      DStream.mapWithState(
        StateSpec.make((word: string, came: string | undefined, state: State<Session>, { time }) => {
          trip()
          const { begun, events } = state.getOrUndefined() ?? { begun: time, events: 0 }
          if (state.isTimingOut()) return `${word} ended with ${events} since ${begun}`
          state.update({ begun, events: events + 1 })
          return events === 0 ? `${word} begins at ${begun} with ${came}` : undefined
        }).pipe(
          StateSpec.timeout(2 * batchMillis, { sweep: dice.effectMillis % 2 === 0 ? "batch" : "checkpoint" }),
          StateSpec.numPartitions(partitions)
        )
      ),
      DStream.checkpoint(checkpointBatches * batchMillis)
    )
    return [
      sessions.pipe(commit("sessions")),
      sessions.pipe(DStream.stateSnapshots, DStream.map(([word, { events }]) => [word, events]), deliver("open"))
    ]
  }
}
