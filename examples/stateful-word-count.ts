/**
 * Counts words from the start on: each batch prints the words that came, with their counts so far. A batch costs the words that it
 * brings, however many are known; a word that does not come for a minute is forgotten.
 * `npm run dstreams -- run examples/stateful-word-count.ts --demo`, or beside `nc -lk 9999`, with `--host localhost --port 9999`.
 */
import { DStream, type State, StateSpec, StreamingApp } from "dstreams"
import * as Socket from "dstreams/socket"
import { Config, Effect } from "effect"

/** Called for each word that comes, with its count in the batch; and without one when the word is forgotten. */
const total = StateSpec.make((word: string, count: number | undefined, state: State<number>) => {
  if (state.isTimingOut()) return undefined
  const next = (state.getOrUndefined() ?? 0) + (count ?? 0)
  state.update(next)
  return [word, next] as const
}).pipe(StateSpec.timeout("1 minute"))

export default Effect.gen(function* () {
  const host = yield* Config.String("HOST").pipe(Config.withDefault("localhost"))
  const port = yield* Config.Port("PORT").pipe(Config.withDefault(9999))

  const totals = Socket.textStream({ host, port }).pipe(
    DStream.flatMap((line) => line.split(" ")),
    DStream.countByValue(),
    DStream.mapWithState(total)
  )

  return StreamingApp.make({
    name: "StatefulWordCount",
    batchDuration: "1 second",
    outputs: [totals.pipe(DStream.print())]
  })
})
