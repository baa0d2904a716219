/**
 * What a stream program imports: `import { DStream, StreamingApp } from "dstreams"`.
 */
export * as DStream from "./operators/mod.ts"
export * as Output from "./dstream/Output.ts"
export * as StreamingApp from "./dstream/StreamingApp.ts"
export * as Receiver from "./receiving/Receiver.ts"
export * as StateSpec from "./state/StateSpec.ts"
export type { State } from "./state/State.ts"
export * as RDD from "./rdd/pairs/mod.ts"
export type { Batch } from "./dstream/Batch.ts"
export { JobFailed } from "./dstream/Batch.ts"
export { LineageError } from "./dstream/GeneratedRDDs.ts"
export type { ChunkReader, InputDefinition, InputPlanner, InputReader } from "./dstream/InputDStream.ts"
export type { RateEstimator } from "./rates/RateEstimator.ts"
export * as Settings from "./settings/mod.ts"
export type { SettingsInput } from "./settings/Settings.ts"
export { HashPartitioner, type Partitioner } from "./rdd/Partitioner.ts"
export { RangePartitioner } from "./rdd/pairs/RangePartitioner.ts"
