/**
 * simulatedApp: a reference program as a process that runs on a node loads it: with the receivers of that node, outputs that note
 * what they are given, and on executors with faults in its functions and observers around its states.
 */
import { Effect, Layer } from "effect"
import * as DStream from "../../../core/dstream/DStream.ts"
import * as StreamingApp from "../../../core/dstream/StreamingApp.ts"
import type { Faults } from "../Faults.ts"
import type { Chance } from "../kernel/Chance.ts"
import type { Node } from "../kernel/Node.ts"
import type { ReferenceProgram, Site } from "../programs/ReferenceProgram.ts"
import { batchMillis, type Draw } from "./Draw.ts"
import type { Delivery } from "./Ledger.ts"
import { observeStates, type StateObserver } from "./ObservedStates.ts"
import { decodeLines, receiverOf, type Source } from "./Source.ts"

export interface SimulatedAppOptions {
  readonly program: ReferenceProgram
  readonly drawn: Draw
  readonly sources: ReadonlyArray<Source>
  readonly faults: Faults
  readonly deliver: (delivery: Delivery) => void
  /** How long outputs take. */
  readonly outputs: Chance
}

export type SimulatedApp = StreamingApp.StreamingApp<any, never>

/** `states`: the node is an executor's. */
export function simulatedApp(options: SimulatedAppOptions, node: Node, states?: StateObserver): SimulatedApp {
  const { drawn: { dice, settings, sources: forms }, faults, program, sources } = options
  const streams = sources.map((source, i) =>
    DStream.named(source.name)(DStream.fromInput<string, unknown, never>("simulated", {
      kind: "receiver",
      receiver: receiverOf(source, node, { form: forms[i]!.form, storageLevel: forms[i]!.level }),
      decode: decodeLines
    }))
  )
  // The model runs the driver's program, which does not stumble.
  const stumbling = states === undefined
    ? { stumble: Effect.void, trip: () => {} }
    : { stumble: faults.stumble, trip: faults.trip }
  const app = StreamingApp.make({
    name: program.name,
    batchDuration: batchMillis,
    outputs: program.outputs({ streams, dice, ...stumbling, ...outputsOf(options) }),
    layer: Layer.empty,
    settings
  }) as SimulatedApp
  if (states !== undefined) observeStates(app, states)
  return app
}

function outputsOf({ deliver, drawn, outputs }: SimulatedAppOptions): Pick<Site, "collect" | "deliver"> {
  return {
    collect: (name) =>
      DStream.foreachBatch((batch) =>
        Effect.gen(function* () {
          const partitions = yield* batch.partitions
          deliver({ output: name, time: batch.time, partition: undefined, partitions })
          if (outputs.coin(0.3)) yield* Effect.sleep(outputs.between(0, drawn.outputMillisMax))
        }), { name }),
    deliver: (name) =>
      DStream.foreachPartition(
        (records, { time, partition }) =>
          Effect.sync(() => deliver({ output: name, time, partition, partitions: [records.slice()] })),
        { name }
      )
  }
}
