import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Cause, Result, Schema } from "effect"
import { delays, formatStatus } from "../../core/scheduling/BatchInfo.ts"
import { InputInfoTracker } from "../../core/scheduling/InputInfoTracker.ts"
import * as Job from "../../core/scheduling/Job.ts"
import * as JobSet from "../../core/scheduling/JobSet.ts"

test("each delay is known as soon as its parts are", () => {
  const none = { schedulingDelay: undefined, processingDelay: undefined, totalDelay: undefined }
  assert.deepEqual(delays(1000, undefined, undefined), none)
  assert.deepEqual(delays(1000, 1200, undefined), { ...none, schedulingDelay: 200 })
  assert.deepEqual(delays(1000, 1200, 1900), { schedulingDelay: 200, processingDelay: 700, totalDelay: 900 })
})

const jobs = [Job.make(2000, "print-0"), Job.make(2000, "save")]
const submitted = JobSet.make(2000, jobs, [{ stream: "a", records: 3 }, { stream: "b", records: 4 }], 2001)

test("a job set runs from its first start to its last end, in whatever order its jobs end", () => {
  const running = JobSet.started(JobSet.started(submitted, "2000/save", 2007), "2000/print-0", 2005)
  const half = JobSet.ended(running, "2000/save", 2030, undefined)
  const whole = JobSet.ended(half, "2000/print-0", 2020, "no")
  assert.deepEqual(
    [submitted, running, half, whole].map((set) => {
      const { processingStartTime, processingEndTime, totalDelay, records } = JobSet.toBatchInfo(set)
      return [processingStartTime, processingEndTime, totalDelay, records]
    }),
    [[undefined, undefined, undefined, 7], [2005, undefined, undefined, 7], [2005, undefined, undefined, 7], [
      2005,
      2030,
      29,
      7
    ]]
  )
  assert.deepEqual(JobSet.toBatchInfo(whole).outputs.map((output) => output.failureReason), ["no", undefined])
  assert.ok(JobSet.hasFailed(whole) && JobSet.hasCompleted(whole) && !JobSet.hasCompleted(half))
})

test("the status of a batch is one line", () => {
  const running = JobSet.started(submitted, "2000/print-0", 2005)
  assert.equal(
    formatStatus(JobSet.toBatchInfo(running)),
    "batch 2000 ms: 7 records, scheduling delay 4 ms, processing time unknown, total delay unknown"
  )
  const done = ["2000/print-0", "2000/save"].reduce(
    (set, job) => JobSet.ended(JobSet.started(set, job, 2005), job, 2010, job === "2000/save" ? "full" : undefined),
    submitted
  )
  assert.equal(
    formatStatus(JobSet.toBatchInfo(done)),
    "batch 2000 ms: 7 records, scheduling delay 4 ms, processing time 5 ms, total delay 9 ms, failed: save"
  )
})

test("a failure's reason has tag and message of every cause, and no stack", () => {
  class Full extends Schema.TaggedError<Full>()("Full", { message: Schema.String }) {}
  assert.equal(Job.failureReason(Cause.fail(new Full({ message: "disk" }))), "Full: disk")
  assert.equal(Job.failureReason(Cause.die(new TypeError("x is not a function"))), "TypeError: x is not a function")
  assert.equal(Job.failureReason(Cause.combine(Cause.fail("plain"), Cause.fail(undefined))), "plain\nundefined")
  assert.equal(Job.failureReason(Cause.fail({ _tag: "Odd" })), "Odd")
  assert.equal(Job.failureReason(Cause.fail("x".repeat(20_000))).length, Job.failureReasonCharactersMax)
})

test("input counts are kept per batch and stream, in the order of reports", () => {
  const tracker = new InputInfoTracker()
  tracker.report(0, { stream: "1", records: 300 })
  tracker.report(0, { stream: "0", records: 100, description: "file" })
  tracker.report(1000, { stream: "0", records: 0 })
  assert.deepEqual(tracker.get(0), [{ stream: "1", records: 300 }, { stream: "0", records: 100, description: "file" }])
  tracker.cleanup(0)
  assert.deepEqual([tracker.get(0).length, tracker.get(1000).length], [0, 1])
})

test("a second report and an impossible count are refused and change nothing", () => {
  const tracker = new InputInfoTracker()
  tracker.report(5, { stream: "a", records: 1 })
  const tags = [{ stream: "a", records: 2 }, { stream: "b", records: -1 }, { stream: "b", records: Number.NaN }].map(
    (info) => {
      const result = tracker.report(5, info)
      return Result.isFailure(result) ? result.failure._tag : "accepted"
    }
  )
  assert.deepEqual(tags, ["InputInfoReportedTwice", "InvalidInputInfo", "InvalidInputInfo"])
  assert.deepEqual(tracker.get(5), [{ stream: "a", records: 1 }])
})
