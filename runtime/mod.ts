/**
 * What a program needs that runs an app itself, instead of by the `dstreams` command: `import { StreamingContext } from
 * "dstreams/runtime"`, with a placement from `dstreams/placement`.
 */
export * as StreamingContext from "./driver/StreamingContext.ts"
export type { EngineError, StopReport } from "./driver/Engine.ts"
export { ExecutorRefused } from "./driver/executors/ExecutorEvents.ts"
export { PlanningFailed } from "./driver/BatchPlanner.ts"
export { Placement, PlacementError } from "./placement/Placement.ts"
