/**
 * What helps to test programs and sinks: `import { sinkConformance } from "dstreams/testing"`.
 */
export { type SinkConformance, sinkConformance, type SinkConformanceOptions } from "./sinkConformance.ts"
