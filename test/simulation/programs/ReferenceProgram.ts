/**
 * ReferenceProgram: a stream program that the simulation runs, as a user would write it.
 *
 * It is built anew for the driver and for each executor, as every process loads the module anew. What it depends on besides its
 * site is drawn once per seed (`dice`), so that all build the same graph.
 */
import type { Effect } from "effect"
import type { DStream } from "../../../core/dstream/DStream.ts"
import type { AnyOutput, Output } from "../../../core/dstream/Output.ts"
import type { Part } from "../../../adapters/simulation/faults/FaultPlan.ts"

/** Where a program is built: the driver's node, or an executor's. */
export interface Site {
  /** Lines of the simulated sources, one stream each. */
  readonly streams: ReadonlyArray<DStream<string, unknown>>
  readonly dice: Dice
  /** For a function on the executors: fails now and then. */
  readonly stumble: Effect.Effect<void, Error>
  /** For a function that steps a state: throws now and then. */
  readonly trip: () => void
  /** An output on the driver; its batches are compared with the model. */
  readonly collect: (name: string) => <A, E, R>(stream: DStream<A, E, R>) => Output<E, R>
  /** An output on the executors; each delivery is compared with the model. */
  readonly deliver: (name: string) => <A, E, R>(stream: DStream<A, E, R>) => Output<E, R>
  /** An output into a sink that has each batch exactly once. */
  readonly commit: (name: string) => <A, E, R>(stream: DStream<A, E, R>) => Output<E, R>
  /** Lines of the files that come into a directory. */
  readonly files: () => DStream<string, unknown>
  /** Values of the records of a topic. */
  readonly topic: () => DStream<string, unknown>
  /** An output into the topic of its name, each record once. */
  readonly toTopic: (name: string) => (stream: DStream<readonly [key: string, value: string], any>) => AnyOutput
  /** How often the program was changed since it was first started. */
  readonly version: number
}

/** Numbers that a program may depend on. */
export interface Dice {
  readonly batchMillis: number
  readonly partitions: number
  readonly effectMillis: number
  readonly concurrency: number
  readonly windowBatches: number
  readonly slideBatches: number
  /** How many versions of a state apart its snapshots are. */
  readonly checkpointBatches: number
}

export interface ReferenceProgram {
  readonly name: string
  readonly sourcesMax: number
  /** Faults of states and their snapshots strike it. */
  readonly keepsState?: boolean
  /** It has a place for checkpoints, and is started again when its driver dies. */
  readonly recovers?: boolean
  /** It has sinks. */
  readonly commits?: boolean
  readonly readsFiles?: boolean
  /** It is another program when it is started again. */
  readonly changes?: boolean
  /** It reads a topic and writes topics, of these names. */
  readonly writesTopics?: ReadonlyArray<string>
  readonly outputs: (site: Site) => ReadonlyArray<AnyOutput>
}

/** What of a program faults can strike. */
export const partsOf = (program: ReferenceProgram): ReadonlySet<Part> => {
  const has: Record<Part, boolean | undefined> = {
    receiver: program.sourcesMax > 0,
    state: program.keepsState,
    recovery: program.recovers,
    files: program.readsFiles,
    sink: program.commits,
    change: program.changes,
    kafka: program.writesTopics !== undefined,
    kafkaLoss: program.writesTopics !== undefined
  }
  return new Set((Object.keys(has) as ReadonlyArray<Part>).filter((part) => has[part] === true))
}
