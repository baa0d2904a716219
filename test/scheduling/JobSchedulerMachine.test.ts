import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Cause } from "effect"
import fc from "fast-check"
import * as Job from "../../core/scheduling/Job.ts"
import * as JobScheduler from "../../core/scheduling/JobScheduler.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"

type Command = JobScheduler.JobSchedulerCommand<string>

/** The machine with its log, and the jobs that somebody runs. */
class Driver {
  state = JobScheduler.initial<string>()
  now = 0
  readonly log: Array<Command> = []
  readonly running: Array<Job.Job> = []
  readonly settings: JobScheduler.JobSchedulerSettings

  constructor(concurrentJobs: number, onBatchFailure: "stop" | "skip") {
    this.settings = { concurrentJobs, onBatchFailure }
  }

  send(event: JobScheduler.JobSchedulerEvent<string>) {
    const [state, commands] = JobScheduler.step(this.settings)(this.state, event)
    this.state = state
    this.log.push(...commands)
    for (const command of commands) if (command.kind === "StartJob") this.running.push(command.job)
  }

  submit(time: number, outputs: number) {
    const jobs = Array.from({ length: outputs }, (_, index) => Job.make(time, `out-${index}`))
    this.send({ kind: "JobSetSubmitted", time, jobs, inputs: [{ stream: "in", records: 1 }], now: this.now })
  }

  end(index: number, error?: string, consequence = false) {
    const [job] = this.running.splice(index, 1)
    const result = error === undefined
      ? { kind: "Done" as const }
      : { kind: "Failed" as const, cause: Cause.fail(error), reason: error, consequence }
    this.send({ kind: "JobEnded", job: job!, result, now: this.now })
  }

  of<Kind extends Command["kind"]>(kind: Kind): ReadonlyArray<Command & { kind: Kind }> {
    return this.log.filter((command): command is Command & { kind: Kind } => command.kind === kind)
  }

  posted<Kind extends StreamingEvent["kind"]>(kind: Kind): ReadonlyArray<StreamingEvent & { kind: Kind }> {
    return this.of("Post").map(({ event }) => event).filter((event): event is StreamingEvent & { kind: Kind } =>
      event.kind === kind
    )
  }
}

const shape = (commands: ReadonlyArray<Command>) =>
  commands.map((command) => command.kind === "Post" ? command.event.kind : command.kind)

test("a batch is told submitted, started and completed, each with what is known by then", () => {
  const driver = new Driver(1, "stop")
  driver.now = 1003
  driver.submit(1000, 1)
  driver.now = 1010
  driver.end(0)
  assert.deepEqual(shape(driver.log), [
    "BatchSubmitted",
    "BatchStarted",
    "OutputOperationStarted",
    "StartJob",
    "OutputOperationCompleted",
    "BatchCompleted",
    "BatchEnded"
  ])
  const delays = (["BatchSubmitted", "BatchStarted", "BatchCompleted"] as const).map((kind) => {
    const { batch } = driver.posted(kind)[0]!
    return [batch.records, batch.schedulingDelay, batch.processingDelay, batch.totalDelay]
  })
  assert.deepEqual(delays, [[1, undefined, undefined, undefined], [1, 0, undefined, undefined], [1, 0, 7, 7]])
})

test("under stop every output of the failed batch still runs and has its own reason, and no later batch starts", () => {
  const driver = new Driver(1, "stop")
  driver.submit(1000, 2)
  driver.submit(2000, 1)
  driver.end(0, "This is a failed job")
  assert.deepEqual(driver.running.map((job) => job.id), ["1000/out-1"])
  driver.end(0, "This is another failed job")
  const [completed] = driver.posted("BatchCompleted")
  assert.deepEqual(completed!.batch.outputs.map((output) => output.failureReason), [
    "This is a failed job",
    "This is another failed job"
  ])
  assert.deepEqual(shape(driver.log.slice(-3)), ["BatchEnded", "Fail", "CancelJobs"])
  assert.deepEqual(driver.of("Fail")[0]!.cause, Cause.fail("This is a failed job"))
  assert.deepEqual(JobScheduler.pendingTimes(driver.state), [1000, 2000])
})

test("a batch that failed as a consequence of an earlier one stays pending, and the earlier one's cause is told", () => {
  const driver = new Driver(2, "stop")
  driver.submit(1000, 1)
  driver.submit(2000, 1)
  driver.end(1, "held back", true)
  assert.equal(driver.state.phase, "Running")
  driver.end(0, "no table")
  assert.deepEqual(driver.of("Fail").map(({ cause }) => Cause.squash(cause)), ["no table"])
  assert.deepEqual(JobScheduler.pendingTimes(driver.state), [1000, 2000])
  assert.deepEqual(driver.of("BatchEnded").map(({ result, time }) => [time, result]), [[2000, "failed"], [
    1000,
    "failed"
  ]])
})

test("under skip a failed batch is done with and the next goes on", () => {
  const driver = new Driver(1, "skip")
  driver.submit(1000, 1)
  driver.submit(2000, 1)
  driver.end(0, "no")
  driver.end(0)
  assert.deepEqual(driver.of("BatchEnded").map(({ result }) => result), ["skipped", "processed"])
  assert.deepEqual(driver.of("Fail"), [])
  assert.deepEqual(JobScheduler.pendingTimes(driver.state), [])
})

test("while draining a failed batch holds nothing, stays pending, and its failure is told at the stop", () => {
  const driver = new Driver(1, "stop")
  for (const time of [1000, 2000, 3000]) driver.submit(time, 1)
  driver.send({ kind: "Drain" })
  driver.end(0)
  driver.end(0, "no")
  driver.end(0)
  assert.deepEqual(driver.of("BatchEnded").map(({ result }) => result), ["processed", "failed", "processed"])
  assert.deepEqual(JobScheduler.pendingTimes(driver.state), [2000])
  assert.deepEqual(driver.of("Fail"), [])
  driver.send({ kind: "Stop" })
  assert.deepEqual(driver.of("Fail").map(({ cause }) => cause), [Cause.fail("no")])
})

test("a batch that comes twice, or before an earlier one, is a bug that is told", () => {
  const driver = new Driver(1, "stop")
  driver.submit(2000, 1)
  assert.throws(() => driver.submit(2000, 1), /batch times only grow/)
  assert.throws(() => driver.submit(1000, 1), /batch times only grow/)
  assert.throws(() => driver.submit(3000, 0), /without jobs/)
  const [job] = driver.running
  driver.end(0)
  const again = { kind: "JobEnded" as const, job: job!, result: { kind: "Done" as const }, now: 0 }
  assert.throws(() => driver.send(again), /a job ends once/)
})

const action = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("submit" as const), outputs: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("end" as const), which: fc.nat(7), fails: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("drain" as const) }) }
)

/** What must hold after every event. */
const invariants = (driver: Driver, submitted: ReadonlyArray<string>) => {
  const started = driver.of("StartJob").map(({ job }) => job.id)
  assert.ok(driver.running.length <= driver.settings.concurrentJobs, "more jobs run than may")
  assert.equal(new Set(started).size, started.length, "a job started twice")
  if (driver.of("Fail").length === 0 && driver.state.failure === undefined) {
    assert.deepEqual(started, submitted.slice(0, started.length), "jobs start in order")
    const room = driver.running.length < driver.settings.concurrentJobs
    assert.ok(!room || started.length === submitted.length, "there is room, and a job waits")
  }
  const order = started.map((id) => submitted.indexOf(id))
  assert.deepEqual(order, [...order].sort((a, b) => a - b), "never out of order")
  for (const { batch } of driver.posted("BatchCompleted")) {
    assert.ok(batch.totalDelay! >= 0 && batch.outputs.every((output) => output.endTime !== undefined))
  }
  const ended = driver.of("BatchEnded").map(({ time }) => time)
  assert.equal(new Set(ended).size, ended.length, "a batch ended twice")
}

test("whatever ends in whatever order, the limit and the order of starts hold, and a drain runs everything", () => {
  const policy = fc.constantFrom("stop" as const, "skip" as const)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), policy, fc.array(action, { maxLength: 60 }), (jobs, onFailure, run) => {
      const driver = new Driver(jobs, onFailure)
      const submitted: Array<string> = []
      let time = 0
      for (const step of run) {
        driver.now++
        if (driver.state.phase === "Stopped") break
        if (step.do === "drain") driver.send({ kind: "Drain" })
        if (step.do === "submit") {
          driver.submit(++time, step.outputs)
          for (let index = 0; index < step.outputs; index++) submitted.push(`${time}/out-${index}`)
        }
        if (step.do === "end" && driver.running.length > 0) {
          driver.end(step.which % driver.running.length, step.fails ? "no" : undefined)
        }
        invariants(driver, submitted)
      }
      driver.send({ kind: "Drain" })
      while (driver.running.length > 0 && driver.state.phase !== "Stopped") driver.end(0)
      invariants(driver, submitted)
      const ended = driver.of("BatchEnded")
      if (driver.of("Fail").length === 0) assert.equal(ended.length, time, "every batch ended")
      else assert.equal(onFailure, "stop")
      if (onFailure === "skip") assert.deepEqual(JobScheduler.pendingTimes(driver.state), [])
    })
  )
})
