/**
 * Functions of dynamic allocation: the policy that the engine asks, under Spark's names and without a clock.
 */
import * as ExecutorAllocation from "../../../core/allocation/ExecutorAllocation.ts"
import { definitions } from "../../../core/settings/definitions.ts"
import * as BatchInfo from "../../../core/scheduling/BatchInfo.ts"
import * as Settings from "../../../core/settings/Settings.ts"
import type { Json } from "../Vector.ts"
import { type Call, of } from "./call.ts"

/** As a run would have it: what is wrong with the settings is thrown. */
const policyOf = (given: Json, { receivers = 0, batchMs = 1000 }: Json): Json => {
  const [mistake] = [...Settings.invalidSettings(given), ...Settings.contradictions(given)]
  if (mistake !== undefined) throw mistake
  const run = { batchMillis: batchMs, executors: 1 }
  return ExecutorAllocation.make(Settings.resolve([given], run), { batchMillis: batchMs, receivers })
}

const enabled = { dynamicAllocation: true }

const secondsOf = (seconds: number | undefined) => seconds === undefined ? undefined : seconds * 1000

const batchOf = (millis: number): BatchInfo.BatchInfo => ({
  time: 0,
  inputs: [],
  records: 0,
  submissionTime: 0,
  processingStartTime: 0,
  processingEndTime: millis,
  outputs: [],
  ...BatchInfo.delays(0, 0, millis)
})

const removeOne = (policy: Json, executors: ReadonlyArray<string>, withReceivers: ReadonlyArray<string>) =>
  ExecutorAllocation.removeOne(
    policy,
    executors.map((executor) => ({ executor, needed: withReceivers.includes(executor), states: 0 }))
  )

/** A setting of ours by Spark's name; what has none keeps it. */
const nameOf = (spark: string): string =>
  Object.entries(definitions).find(([, definition]) => definition.spark === spark)?.[0] ?? spark

export const allocationCalls: Readonly<Record<string, Call>> = {
  scalingDecision: ({ args: [one], params }) => {
    const { averageProcessingMs, batchMs, executors, receiverExecutors } = one
    const { downRatio, scalingIntervalSecs, upRatio } = params
    const settings = {
      ...enabled,
      scalingInterval: secondsOf(scalingIntervalSecs),
      scalingUpRatio: upRatio,
      scalingDownRatio: downRatio
    }
    const policy = policyOf(settings, { batchMs, receivers: receiverExecutors.length })
    ExecutorAllocation.batchCompleted(policy, batchOf(averageProcessingMs))
    const decision = ExecutorAllocation.decide(policy, executors.length)
    return {
      requestTotal: decision.kind === "request" ? decision.total : null,
      remove: decision.kind === "remove" ? removeOne(policy, executors, receiverExecutors) : null
    }
  },
  requestTotal: ({ args: [current, added], params: { receivers, ...given } }) =>
    ExecutorAllocation.requestTotal(policyOf({ ...enabled, ...given }, { receivers }), current, added),
  removeOne: ({ args: [executors, withReceivers], params: { receivers, ...given } }) =>
    removeOne(policyOf({ ...enabled, ...given }, { receivers }), executors, withReceivers),
  validateScaling: of(({ receivers, scalingIntervalSecs, ...given }) => {
    const settings = { ...enabled, ...given, scalingInterval: secondsOf(scalingIntervalSecs) }
    return policyOf(settings, { receivers }) === undefined ? "off" : "ok"
  }),
  scalingManager: of((conf) => {
    const given = Object.entries(conf).map(([name, value]) => [nameOf(name), value === "true"])
    return policyOf(Object.fromEntries(given), {}) === undefined ? "none" : "present"
  })
}
