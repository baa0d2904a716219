/**
 * Kind queueStream: data sets are put in a queue, and each batch takes its part.
 */
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Queue from "../../../adapters/queue/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import type { Collected } from "../../driver/collected.ts"
import * as Local from "../../driver/local.ts"
import { same } from "../compare.ts"
import { batchMsDefault } from "../pipelines/run.ts"
import { onlyFields } from "../Vector.ts"
import { kind } from "./kind.ts"

export const queueStream = kind(
  ["params", "steps"],
  Effect.fnUntraced(function* ({ params, steps }) {
    onlyFields("params", params, ["oneAtATime", "batchMs", "default"])
    const { oneAtATime, batchMs = batchMsDefault, default: defaultRecords } = params
    const queue: Array<ReadonlyArray<unknown>> = []
    const out: Collected<unknown> = []
    const app = StreamingApp.make({
      name: "queue",
      batchDuration: batchMs,
      outputs: [Queue.stream(queue, { oneAtATime, defaultRecords }).pipe(DStream.collectTo(out))]
    })
    yield* Local.start(app, { executors: 2, coded: true })
    for (const [index, step] of steps.entries()) {
      onlyFields("a step", step, ["enqueue", "batch"])
      queue.push(...(step.enqueue ?? []))
      if (step.batch === undefined) continue
      yield* TestClock.adjust(batchMs)
      yield* Local.settled
      same(`step ${index + 1}`, step.batch, out.at(-1)?.records)
    }
  })
)
