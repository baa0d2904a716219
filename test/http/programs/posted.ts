/** What is posted to a receiver on an executor, collected in the driver. */
import { Config, Effect } from "effect"
import * as Http from "../../../adapters/http/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { collect, RUN } from "../../threads/programs/collected.ts"

const lengthOf = DStream.map((line: string) => `${line} of ${line.length} characters`)

export default Effect.gen(function* () {
  const run = yield* RUN
  const lines = Http.textStream({ port: yield* Config.Port("PORT") })
  return StreamingApp.make({
    name: "posted",
    batchDuration: "100 millis",
    outputs: [lines.pipe(lengthOf, collect(run, "lines"))]
  })
})
