/**
 * referenceSubject: a reference program as the subject of a run, with the sources, files and the target that are around it.
 */
import type { DrawSubject, Performance, Stage } from "../../../adapters/simulation/run/Subject.ts"
import { Target } from "../outside/Target.ts"
import * as DStreamGraph from "../../../core/dstream/DStreamGraph.ts"
import { FileServer } from "../outside/FileServer.ts"
import { KafkaServer } from "../outside/KafkaServer.ts"
import { Source } from "../outside/Source.ts"
import type { ReferenceProgram } from "../programs/ReferenceProgram.ts"
import type { Comparison } from "./compare.ts"
import type { Delivery } from "./Delivery.ts"
import { type Draw, draw } from "./Draw.ts"
import { judgeOutputs } from "./judge.ts"
import { judgeTopics } from "./judgeTopics.ts"
import { simulatedApp } from "./simulatedApp.ts"

export interface ReferenceSubjectOptions {
  readonly program: ReferenceProgram
  readonly batches: number
  readonly settings?: Partial<Draw["settings"]>
  readonly deliver?: (delivery: Delivery) => void
  readonly compared: (comparison: Comparison) => void
}

/** The programs' windows over states, and states over states, ask for nothing that lies further back. */
const snapshotsMax = 10

export const referenceSubject = (options: ReferenceSubjectOptions): DrawSubject => (chance) => {
  const { program, settings } = options
  const fromSeed = draw(chance.split(`draw ${program.name}`), program)
  const drawn = { ...fromSeed, settings: { ...fromSeed.settings, ...settings } }
  return {
    name: program.name,
    changes: program.changes === true,
    snapshotsMax,
    outputMillisMax: drawn.outputMillisMax,
    drawn,
    begin: (stage) => begin(options, drawn, stage)
  }
}

const begin = (options: ReferenceSubjectOptions, drawn: Draw, stage: Stage): Performance => {
  const { faults, ledger, observe, sinkCalls, world } = stage
  const { batches, program } = options
  const outputs = world.chance.split("outputs")
  const files = new FileServer(world, faults)
  const kafka = serverOf(options, drawn, stage)
  const target = new Target({
    calls: sinkCalls,
    committed: (commit, before, node) => observe(node, { kind: "Committed", ...commit, before })
  })
  const sources = drawn.sources.map((source, i) => {
    const name = `lines${i}`
    return new Source({ ...source, world, name, faults, attemptAt: (node) => stage.attemptAt(name, node) })
  })
  const deliveries: Array<Delivery> = []
  return {
    load: (node, place, life, version) =>
      simulatedApp({
        ...{ program, drawn, sources, files, kafka, target, version, outputs },
        faults: place === "executor" ? faults : undefined,
        deliver: (delivery) => {
          const full = { ...delivery, life, replaced: stage.isReplaced(life) }
          deliveries.push(full)
          options.deliver?.(full)
        }
      }, node),
    sources,
    brokers: kafka,
    tells: (cause) => kafka?.tellsLoss(cause) === true,
    isDone: () => kafka?.isRead !== false,
    calm: () => {
      files.close()
      kafka?.calm()
    },
    judge: (programs) => {
      const recovers = program.recovers === true
      const graphs = programs.map((program) => DStreamGraph.make(program))
      const judgedElsewhere = new Set(program.writesTopics)
      const comparison = judgeOutputs({
        ...{ ledger, graphs, drawn, recovers, sources, files, target, batches, deliveries, judgedElsewhere }
      })
      options.compared(comparison)
      if (kafka === undefined) return comparison.mistakes
      const isOrdered = drawn.topic.minSplitRecords === undefined
      return [...comparison.mistakes, ...judgeTopics(kafka, isOrdered)]
    }
  }
}

const serverOf = ({ program }: ReferenceSubjectOptions, drawn: Draw, stage: Stage) =>
  program.writesTopics && new KafkaServer({
    ...stage,
    inputPartitions: drawn.topic.partitions,
    outputs: program.writesTopics
  })
