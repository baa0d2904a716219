/**
 * What batches held, partition by partition, for the test that runs the driver in its own process. RUN, from Config, tells apart
 * the runs of one test file.
 */
import { Config, Effect } from "effect"
import { DStream, type JobFailed } from "../../../core/mod.ts"

export interface Collected {
  readonly run: string
  readonly output: string
  readonly time: number
  readonly partitions: ReadonlyArray<ReadonlyArray<any>>
}

const all: Array<Collected> = []

/** The batches of an output, in order. */
export const collected = (run: string, output: string): ReadonlyArray<Collected> =>
  all.filter((batch) => batch.run === run && batch.output === output)

/** All records of an output, in order. */
export const recordsOf = (run: string, output: string): ReadonlyArray<any> =>
  collected(run, output).flatMap(({ partitions }) => partitions.flat(1))

export const RUN = Config.String("RUN").pipe(Config.withDefault(""))

export const collect = (run: string, output: string) =>
  DStream.foreachBatch<any, JobFailed, never>(
    (batch) => Effect.map(batch.partitions, (partitions) => all.push({ run, output, time: batch.time, partitions })),
    { name: output }
  )
