/**
 * Every function that vectors name, by name.
 */
import { allocationCalls } from "./allocation.ts"
import { blockCalls } from "./blocks.ts"
import type { Call } from "./call.ts"
import { kafkaCalls } from "./kafka.ts"
import { logCalls } from "./logs.ts"
import { operatorCalls } from "./operators.ts"
import { recoveryCalls } from "./recovery.ts"
import { runningCalls } from "./running.ts"
import { schedulingCalls } from "./scheduling.ts"
import { timeCalls } from "./time.ts"

export const calls: Readonly<Record<string, Call>> = {
  ...timeCalls,
  ...schedulingCalls,
  ...runningCalls,
  ...operatorCalls,
  ...blockCalls,
  ...allocationCalls,
  ...logCalls,
  ...recoveryCalls,
  ...kafkaCalls
}
