/**
 * programSubject: a user's program as the subject of a run, with its inputs and what is outside it.
 */
import { Effect } from "effect"
import type { DStreamGraph } from "../../core/dstream/DStreamGraph.ts"
import { describeError } from "../../core/protocol/describeError.ts"
import { drawFaults } from "../simulation/faults/drawFaults.ts"
import type { Part } from "../simulation/faults/FaultPlan.ts"
import type { Node } from "../simulation/kernel/Node.ts"
import { World } from "../simulation/kernel/World.ts"
import type { Drawn, DrawSubject, Performance, SimulatedApp, Stage } from "../simulation/run/Subject.ts"
import { simulatedFaults } from "./faults.ts"
import { SimulatedInput } from "./SimulatedInput.ts"
import type { Simulated, SimulateOptions } from "./SimulateOptions.ts"

type Options = SimulateOptions<any, any>

interface ProgramDrawn extends Drawn {
  /** Of each input. */
  readonly partitions: number
}

/** Batches at the end of a run in which no more records come. */
const quietBatches = 2

/** The program as it is seen without a run. */
export const shownApp = (options: Options): SimulatedApp =>
  options.app({
    inputs: streamsOf(inputsOf(options, new World({ seed: 0 }), 1, 1), 1),
    outside: options.outside(),
    call: (_, effect) => effect
  })

export const programSubject = (
  options: Options,
  app: SimulatedApp,
  graph: DStreamGraph,
  batches: number
): DrawSubject => {
  const parts = partsOf(app, graph)
  const allowed: ReadonlyArray<string> = options.faults ?? simulatedFaults
  const millis = Math.max(1, batches - quietBatches) * graph.batchMillis
  return (seed) => {
    const chance = seed.split("draw")
    const drawn: ProgramDrawn = {
      executors: chance.between(1, 3),
      partitions: chance.between(1, 3),
      preemption: chance.pick([0, 0.02, 0.1, 0.25]),
      faults: drawFaults(chance, parts, (kind) => allowed.includes(kind))
    }
    return {
      name: app.name,
      changes: false,
      // Nobody knows how far back its windows over states ask.
      snapshotsMax: Infinity,
      outputMillisMax: graph.batchMillis,
      drawn,
      begin: (stage) => begin(options, inputsOf(options, stage.world, millis, drawn.partitions), stage)
    }
  }
}

/** What of a program faults can strike. */
const partsOf = (app: SimulatedApp, { nodes }: DStreamGraph): ReadonlySet<Part> => {
  const parts = new Set<Part>()
  if (nodes.some(({ checkpointMillis }) => checkpointMillis !== undefined)) parts.add("state")
  if (app.settings.checkpointDirectory !== undefined) parts.add("recovery").add("sink")
  return parts
}

const inputsOf = ({ inputs }: Options, world: World, millis: number, partitions: number) =>
  Object.entries<ReadonlyArray<unknown>>(inputs).map(([name, records]) =>
    new SimulatedInput({ world, name, records, millis, partitions })
  )

const streamsOf = (inputs: ReadonlyArray<SimulatedInput>, driver: number) =>
  Object.fromEntries(inputs.map((input) => [input.name, input.stream(driver)]))

const begin = (options: Options, inputs: ReadonlyArray<SimulatedInput>, stage: Stage): Performance => {
  const outside = options.outside()
  let newest = 1
  return {
    load: (node, _, driver) => {
      newest = Math.max(newest, driver)
      const call = callOf(stage, node, () => options.always?.(outside))
      return options.app({ inputs: streamsOf(inputs, driver), outside, call })
    },
    sources: [],
    isDone: () => inputs.every((input) => input.isPlannedBy(newest)),
    calm: () => {},
    judge: () => {
      const broken = thrownBy(() => options.atEnd(outside, options.inputs))
      return broken === undefined ? [] : [`at the end: ${broken}`]
    }
  }
}

/** A call as a node makes it. The events of the run tell when it begins and when it has its effect. */
const callOf = (stage: Stage, node: Node, look: () => void): Simulated<any, any>["call"] => (name, effect) =>
  Effect.suspend(() => {
    const { fail, sinkCalls, world } = stage
    world.record(node.name, "CallBegun", { call: name })
    const done = Effect.sync(() => {
      world.record(node.name, "CallDone", { call: name })
      const broken = thrownBy(look)
      if (broken !== undefined) fail(`after ${name} of ${node.name}: ${broken}`)
    })
    return sinkCalls.call(node, Effect.tap(effect, () => done))
  })

const thrownBy = (look: () => void): string | undefined => {
  try {
    look()
    return undefined
  } catch (error) {
    return describeError(error)
  }
}
