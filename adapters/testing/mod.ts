/**
 * What helps to test programs and sinks: `import { simulate, sinkConformance } from "dstreams/testing"`.
 */
export {
  type SinkConformance,
  sinkConformance,
  type SinkConformanceOptions
} from "../../runtime/testing/sinkConformance.ts"
export { SimulatedFailure } from "../simulation/outside/SinkCalls.ts"
export { type SimulatedFault, simulatedFaults } from "./faults.ts"
export { simulate } from "./simulate.ts"
export type { Inputs, Replay, Simulated, SimulateOptions } from "./SimulateOptions.ts"
export type { SimulationFailed, SimulationPassed, SimulationReport, Struck } from "./SimulationReport.ts"
