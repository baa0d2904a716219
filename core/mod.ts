/**
 * What a stream program imports: `import { DStream, StreamingApp } from "dstreams"`.
 */
export * as DStream from "./dstream/DStream.ts"
export * as Output from "./dstream/Output.ts"
export * as StreamingApp from "./dstream/StreamingApp.ts"
export * as Receiver from "./receiving/Receiver.ts"
export * as RDD from "./rdd/RDD.ts"
export type { Batch } from "./dstream/Batch.ts"
export { JobFailed } from "./dstream/Batch.ts"
export { LineageError } from "./dstream/GeneratedRDDs.ts"
export type { ChunkReader, InputDefinition, InputPlanner, InputReader } from "./dstream/InputDStream.ts"
export type { Settings, SettingsInput } from "./dstream/Settings.ts"
