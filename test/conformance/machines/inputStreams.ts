/** inputStreams: the inputs of a graph, numbered by their places in it. */
import { Effect } from "effect"
import * as Memory from "../../../adapters/memory/mod.ts"
import * as DStreamGraph from "../../../core/dstream/DStreamGraph.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { known } from "../Vector.ts"
import type { Apply, Machine } from "./machine.ts"

export const inputStreams: Machine = {
  takes: ["do", "receiver"],
  open: () =>
    Effect.sync(() => {
      const streams: Array<DStream.DStream<number>> = []
      const make = (receiver: boolean): DStream.DStream<number> =>
        receiver ? Memory.timed([{ time: 0, value: 1 }]) : Memory.batches([[1]])
      const graph = () =>
        DStreamGraph.make(StreamingApp.make({
          name: "inputs",
          batchDuration: 1000,
          outputs: streams.map((stream) => stream.pipe(DStream.print()))
        }))
      const steps: Readonly<Record<string, Apply>> = {
        add: ({ receiver }) => Effect.sync(() => void streams.push(make(receiver))),
        list: () =>
          Effect.sync(() => {
            const inputs = graph().inputs.map(({ stream }, index) => ({ index, kind: stream.input!.kind }))
            const receivers = inputs.filter(({ kind }) => kind === "receiver")
            return {
              expect: { all: inputs.map(({ index }) => index), receivers: receivers.map(({ index }) => index) }
            }
          })
      }
      return (step) => known("step", steps, step.do)(step)
    })
}
