/**
 * The `DStream` namespace: a stream value and all its operators, by family.
 */
export * from "../dstream/DStream.ts"
export * from "./joins.ts"
export { cache, persist, unpersist } from "./persistence.ts"
export * from "./transforms.ts"
export {
  checkpoint,
  mapWithState,
  type MapWithStateDStream,
  stateSnapshots,
  updateStateByKey,
  updateStateByPartition,
  type UpdateStateOptions
} from "./state.ts"
export {
  countByValueAndWindow,
  countByWindow,
  groupByKeyAndWindow,
  reduceByKeyAndWindow,
  reduceByWindow,
  type ReduceWindowOptions,
  window
} from "./windows.ts"
