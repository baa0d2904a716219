/**
 * ReceiverTracker, the pure machine: messages in any order keep its invariants; restarts, refusals, stops.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { blockId, type ReceivedBlockInfo } from "../../core/blocks/ReceivedBlock.ts"
import type { ReceiverAnswer, ReceiverMessage } from "../../core/protocol/ExecutorProtocol.ts"
import { leastLoaded } from "../../core/receiving/ReceiverSchedulingPolicy.ts"
import * as Tracker from "../../core/receiving/ReceiverTracker.ts"
import { defaults } from "../../core/receiving/ReceivingSettings.ts"
import { restartDelay } from "../../core/receiving/TrackedReceiver.ts"

type Event = Tracker.ReceiverTrackerEvent
type Command = Tracker.ReceiverTrackerCommand
/** An event without its time. */
type Untimed = Event extends infer E ? E extends Event ? Omit<E, "now"> : never : never

const trackerOf = (streams: ReadonlyArray<string>) =>
  Tracker.make({
    epoch: 3,
    receivers: streams.map((stream) => ({ stream, name: `R-${stream}`, preferredHost: undefined })),
    policy: leastLoaded,
    settings: defaults
  })

const driving = (tracker: Tracker.ReceiverTracker) => {
  let now = 0
  return {
    pass: (millis: number) => void (now += millis),
    step: (event: Untimed): ReadonlyArray<Command> => Tracker.step(tracker, { ...event, now } as Event)
  }
}

const executorOf = (name: string) => ({ executor: name, host: "h" })
const join = (name: string): Untimed => ({ kind: "ExecutorJoined", executor: executorOf(name) })
const from = (executor: string, message: ReceiverMessage): Untimed => ({
  kind: "FromExecutor",
  executor,
  request: 7,
  message
})

const infoOf = (stream: string, attempt: number, sequence = 0, epoch = 3): ReceivedBlockInfo => ({
  block: blockId({ stream, epoch, attempt, sequence }),
  stream,
  attempt,
  sequence,
  records: 1,
  bytes: 1,
  locations: []
})

const registerOf = (stream: string, attempt: number): ReceiverMessage => ({
  kind: "RegisterReceiver",
  stream,
  attempt,
  receiver: "R"
})
const deregisterOf = (stream: string, attempt: number): ReceiverMessage => ({
  kind: "DeregisterReceiver",
  stream,
  attempt,
  message: "over",
  error: undefined
})
const endedOf = (stream: string, attempt: number, stopped = false): ReceiverMessage => ({
  kind: "ReceiverEnded",
  stream,
  attempt,
  stopped
})

const answers = (commands: ReadonlyArray<Command>): ReadonlyArray<ReceiverAnswer> =>
  commands.flatMap((c) => {
    if (c.kind === "AnswerRegistered") return [{ kind: "Accepted" }]
    return c.kind === "Send" && c.message.kind === "ReceiverAnswer" ? [c.message.answer] : []
  })
const launches = (commands: ReadonlyArray<Command>) =>
  commands.flatMap((c) =>
    c.kind === "Send" && c.message.kind === "StartReceiver"
      ? [`${c.message.stream}/${c.message.attempt}@${c.executor}`]
      : []
  )
const posts = (commands: ReadonlyArray<Command>) => commands.flatMap((c) => c.kind === "Post" ? [c.event.kind] : [])
const kinds = (commands: ReadonlyArray<Command>) => commands.map((c) => c.kind === "Send" ? c.message.kind : c.kind)

test("messages in any order keep the invariants: attempts grow, one is registered, every question is answered once", () => {
  const stream = fc.constantFrom("a", "b", "unknown")
  const executor = fc.constantFrom("e1", "e2", "e3")
  const attempt = fc.integer({ min: 0, max: 4 })
  const message: fc.Arbitrary<ReceiverMessage> = fc.oneof(
    fc.record({ kind: fc.constant("RegisterReceiver" as const), stream, attempt, receiver: fc.constant("R") }),
    fc.tuple(stream, attempt, fc.nat(3), fc.constantFrom(2, 3, 3)).map(([s, a, q, e]) => ({
      kind: "AddBlock" as const,
      info: infoOf(s, a, q, e)
    })),
    fc.tuple(stream, attempt).map(([s, a]) => deregisterOf(s, a)),
    fc.tuple(stream, attempt, fc.boolean()).map(([s, a, stopped]) => endedOf(s, a, stopped)),
    fc.tuple(stream, attempt).map(([s, a]) => ({
      kind: "ReportError" as const,
      stream: s,
      attempt: a,
      message: "m",
      error: undefined
    }))
  )
  const event = fc.oneof(
    { weight: 2, arbitrary: fc.constant({ kind: "StartAllReceivers" }) },
    {
      weight: 2,
      arbitrary: fc.tuple(stream, attempt).map(([s, a]) => ({ kind: "RestartReceiver", stream: s, attempt: a }))
    },
    {
      weight: 1,
      arbitrary: fc.tuple(stream, fc.integer()).map(([s, rate]) => ({
        kind: "UpdateReceiverRateLimit",
        stream: s,
        rate
      }))
    },
    { weight: 3, arbitrary: executor.map(join) },
    { weight: 2, arbitrary: executor.map((e) => ({ kind: "ExecutorLost", executor: e, reason: "gone" })) },
    { weight: 10, arbitrary: fc.tuple(executor, message).map(([e, m]) => from(e, m)) }
  ) as fc.Arbitrary<Untimed>
  // Most messages are from where the receiver is meant to be, the others from anywhere.
  const steps = fc.array(fc.record({ event, millis: fc.nat(100_000), aimed: fc.integer({ min: 0, max: 3 }) }), {
    maxLength: 80,
    size: "max"
  })
  const aim = (tracker: Tracker.ReceiverTracker, event: Untimed): Untimed => {
    if (event.kind !== "FromExecutor" || event.message.kind === "AddBlock") return event
    const receiver = tracker.receivers.get(event.message.stream)
    if (receiver?.executor === undefined) return event
    return { ...event, executor: receiver.executor, message: { ...event.message, attempt: receiver.attempt } }
  }
  let registrations = 0
  fc.assert(
    fc.property(steps, fc.nat(160), (events, stopAt) => {
      const tracker = trackerOf(["a", "b"])
      const driver = driving(tracker)
      const attempts = new Map([["a", 0], ["b", 0]])
      const active = new Map([["a", 0], ["b", 0]])
      let stopped = 0
      const script = events.slice()
      script.splice(stopAt, 0, { event: { kind: "StopAllReceivers" }, millis: 0, aimed: 0 })
      for (const { event: anywhere, millis, aimed } of script) {
        driver.pass(millis)
        const event = aimed > 0 ? aim(tracker, anywhere) : anywhere
        const phase = tracker.phase
        const commands = driver.step(event)
        for (const command of commands) {
          if (command.kind === "Send" && command.message.kind === "StartReceiver") {
            assert.equal(command.message.attempt, attempts.get(command.message.stream)! + 1)
            attempts.set(command.message.stream, command.message.attempt)
            assert.ok(tracker.executors.has(command.executor), "launched only on executors that are there")
          }
          // Started and Stopped alternate for each stream.
          if (command.kind === "Post" && command.event.kind === "ReceiverStarted") {
            active.set(command.event.receiver.stream, active.get(command.event.receiver.stream)! + 1)
            registrations++
          }
          if (command.kind === "Post" && command.event.kind === "ReceiverStopped") {
            active.set(command.event.receiver.stream, active.get(command.event.receiver.stream)! - 1)
          }
          if (command.kind === "AllReceiversStopped") stopped++
          if (command.kind === "ScheduleRestart") assert.equal(phase, "Started")
        }
        if (event.kind === "FromExecutor" && event.message.kind !== "ReportError") {
          const passedOn = commands.filter(({ kind }) => kind === "AddBlock").length
          assert.equal(answers(commands).length + passedOn, 1)
        }
        for (const receiver of tracker.receivers.values()) {
          assert.equal(active.get(receiver.stream), receiver.state === "Active" ? 1 : 0)
          assert.equal(receiver.attempt, attempts.get(receiver.stream))
          if (receiver.state !== "Inactive") assert.ok(receiver.launched && tracker.executors.has(receiver.executor!))
          if (receiver.state === "Active") assert.equal(receiver.registered, receiver.attempt)
          assert.ok(!(receiver.launched && receiver.waitsForExecutor))
        }
        const jobs = Array.from(tracker.receivers.values()).some(({ launched }) => launched)
        if (tracker.phase === "Stopped") assert.ok(!jobs && stopped === 1)
        if (tracker.phase === "Stopping") assert.ok(jobs && stopped === 0)
      }
    }),
    { numRuns: 500 }
  )
  assert.ok(registrations > 100, `the property saw only ${registrations} receivers at work`)
})

test("receivers are launched at the start, register, and are told of; a repeated registration is accepted again", () => {
  const tracker = trackerOf(["a", "b"])
  const { step } = driving(tracker)
  step(join("e1"))
  step(join("e2"))
  step({ kind: "UpdateReceiverRateLimit", stream: "a", rate: 50 })
  const started = step({ kind: "StartAllReceivers" })
  assert.deepEqual(launches(started), ["a/1@e1", "b/1@e2"])
  assert.deepEqual(
    started.flatMap((c) => c.kind === "Send" && c.message.kind === "StartReceiver" ? [c.message.rateLimit] : []),
    [50, undefined]
  )
  assert.deepEqual(Tracker.allReceiverIds(tracker), ["a", "b"])
  assert.deepEqual(Tracker.allocatedExecutors(tracker), new Map())
  const registered = step(from("e1", registerOf("a", 1)))
  assert.deepEqual([posts(registered), answers(registered)], [["ReceiverStarted"], [{ kind: "Accepted" }]])
  const again = step(from("e1", registerOf("a", 1)))
  assert.deepEqual([posts(again), answers(again)], [[], [{ kind: "Accepted" }]])
  assert.deepEqual(Tracker.allocatedExecutors(tracker), new Map([["a", "e1"]]))
  assert.deepEqual(kinds(step({ kind: "UpdateReceiverRateLimit", stream: "a", rate: 9 })), ["UpdateRate"])
  assert.deepEqual(kinds(step({ kind: "UpdateReceiverRateLimit", stream: "a", rate: 0 })), [])
})

test("an error is told with its message and cause, and a receiver that stops itself is not started again", () => {
  const tracker = trackerOf(["a"])
  const { step } = driving(tracker)
  step(join("e1"))
  step({ kind: "StartAllReceivers" })
  step(from("e1", registerOf("a", 1)))
  const [error] = step(from("e1", { kind: "ReportError", stream: "a", attempt: 1, message: "m", error: "Error: c" }))
  assert.ok(error?.kind === "Post" && error.event.kind === "ReceiverError")
  assert.deepEqual([error.event.receiver.lastErrorMessage, error.event.receiver.lastError], ["m", "Error: c"])
  assert.deepEqual(posts(step(from("e1", deregisterOf("a", 1)))), ["ReceiverStopped"])
  assert.deepEqual(kinds(step(from("e1", endedOf("a", 1, true)))), ["ReceiverAnswer"])
  assert.deepEqual(kinds(step({ kind: "RestartReceiver", stream: "a", attempt: 0 })), [])
  assert.deepEqual(kinds(step({ kind: "StopAllReceivers" })), ["AllReceiversStopped"])
})

test("a restart in place registers again under the same attempt", () => {
  const { step } = driving(trackerOf(["a"]))
  step(join("e1"))
  step({ kind: "StartAllReceivers" })
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(posts(step(from("e1", registerOf("a", 1)))), ["ReceiverStarted"])
    assert.deepEqual(posts(step(from("e1", deregisterOf("a", 1)))), ["ReceiverStopped"])
  }
})

test("the pause doubles with quick failures to its maximum, the 1,000th restart comes as the others, a long life resets it", () => {
  const tracker = trackerOf(["a"])
  const driver = driving(tracker)
  driver.step(join("e1"))
  driver.step({ kind: "StartAllReceivers" })
  const fail = (attempt: number, livedMillis: number): number => {
    driver.step(from("e1", registerOf("a", attempt)))
    driver.pass(livedMillis)
    const restarts = driver.step(from("e1", endedOf("a", attempt))).filter((c) => c.kind === "ScheduleRestart")
    assert.equal(restarts.length, 1)
    assert.deepEqual(launches(driver.step({ kind: "RestartReceiver", stream: "a", attempt })), [`a/${attempt + 1}@e1`])
    return restarts[0]!.delay
  }
  const delays = Array.from({ length: 1000 }, (_, i) => fail(i + 1, 10))
  assert.deepEqual(delays.slice(0, 7), [2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
  assert.equal(delays.at(-1), 60_000)
  assert.equal(fail(1001, 60_000), 2000)
  assert.equal(restartDelay({ ...defaults, receiverRestartDelayMillis: 500 }, 0), 500)
  assert.equal(restartDelay({ ...defaults, receiverRestartDelayMillis: 90_000 }, 5), 90_000)
})

test("a lost executor's receivers are placed on another at once; without one they wait for the next that joins", () => {
  const { step } = driving(trackerOf(["a"]))
  step(join("e1"))
  step(join("e2"))
  step({ kind: "StartAllReceivers" })
  step(from("e1", registerOf("a", 1)))
  const lost = step({ kind: "ExecutorLost", executor: "e1", reason: "exit 1" })
  assert.deepEqual(posts(lost), ["ReceiverStopped"])
  assert.deepEqual(lost.filter((c) => c.kind === "ScheduleRestart").map((c) => c.delay), [0])
  step({ kind: "ExecutorLost", executor: "e2", reason: "exit 1" })
  assert.deepEqual(launches(step({ kind: "RestartReceiver", stream: "a", attempt: 1 })), [])
  assert.deepEqual(launches(step(join("e3"))), ["a/2@e3"])
  assert.deepEqual(answers(step(from("e3", registerOf("a", 2)))), [{ kind: "Accepted" }])
  // What the lost executor still had to say.
  const late = answers(step(from("e1", { kind: "AddBlock", info: infoOf("a", 1) })))
  assert.ok(late[0]?.kind === "Refused" && /the executor is lost/.test(late[0].reason))
})

test("registrations of old attempts, unknown streams or from outside the plan are refused; the last is placed again", () => {
  const { step } = driving(trackerOf(["a"]))
  const refusal = (event: Untimed) => {
    const commands = step(event)
    const [answer] = answers(commands)
    return { reason: answer?.kind === "Refused" ? answer.reason : "accepted", launched: launches(commands) }
  }
  step(join("e1"))
  step(join("e2"))
  assert.match(refusal(from("e1", registerOf("a", 0))).reason, /not started any more \(Initialized\)/)
  step({ kind: "StartAllReceivers" })
  assert.match(refusal(from("e1", registerOf("x", 1))).reason, /no such stream/)
  assert.match(refusal(from("e1", registerOf("a", 9))).reason, /current attempt is 1/)
  const outside = refusal(from("e2", registerOf("a", 1)))
  assert.match(outside.reason, /placed on executor e1/)
  assert.deepEqual(outside.launched, ["a/2@e1"])
  assert.match(refusal(from("e1", registerOf("a", 1))).reason, /current attempt is 2/)
  assert.equal(refusal(from("e1", registerOf("a", 2))).reason, "accepted")
  // Once it is active, a stray registration changes nothing.
  assert.deepEqual(refusal(from("e2", registerOf("a", 2))).launched, [])
})

test("a block passes only with an identity of this epoch and from the executor of its attempt", () => {
  const { step } = driving(trackerOf(["a"]))
  step(join("e1"))
  step(join("e2"))
  step({ kind: "StartAllReceivers" })
  step(from("e1", registerOf("a", 1)))
  const add = (executor: string, info: ReceivedBlockInfo) => kinds(step(from(executor, { kind: "AddBlock", info })))
  assert.deepEqual(add("e1", infoOf("a", 1)), ["AddBlock"])
  assert.deepEqual(add("e1", infoOf("a", 1, 0, 2)), ["ReceiverAnswer"])
  assert.deepEqual(add("e2", infoOf("a", 1)), ["ReceiverAnswer"])
  assert.deepEqual(add("e1", infoOf("x", 1)), ["ReceiverAnswer"])
})

test("a stop asks every job to stop, takes blocks until the last has ended, and is answered once", () => {
  const { step } = driving(trackerOf(["a", "b", "c"]))
  step(join("e1"))
  step(join("e2"))
  step({ kind: "StartAllReceivers" })
  step(from("e1", registerOf("a", 1)))
  step(from("e2", registerOf("b", 1)))
  step(from("e1", endedOf("c", 1)))
  assert.deepEqual(kinds(step({ kind: "StopAllReceivers" })), ["StopReceiver", "StopReceiver"])
  assert.deepEqual(kinds(step({ kind: "StopAllReceivers" })), [])
  // Its pause is over, but there are no restarts any more.
  assert.deepEqual(kinds(step({ kind: "RestartReceiver", stream: "c", attempt: 1 })), [])
  assert.deepEqual(kinds(step(from("e1", { kind: "AddBlock", info: infoOf("a", 1) }))), ["AddBlock"])
  assert.deepEqual(kinds(step(from("e1", endedOf("a", 1, true)))), ["ReceiverAnswer", "Post"])
  assert.deepEqual(kinds(step({ kind: "ExecutorLost", executor: "e2", reason: "" })), ["Post", "AllReceiversStopped"])
  assert.deepEqual(kinds(step(from("e1", { kind: "AddBlock", info: infoOf("a", 1, 1) }))), ["ReceiverAnswer"])
})

test("old blocks are forgotten by the executors that hold them and are still there", () => {
  const { step } = driving(trackerOf(["a"]))
  step(join("e1"))
  step(join("e2"))
  const held = (sequence: number, locations: ReadonlyArray<string>) => ({ ...infoOf("a", 1, sequence), locations })
  const commands = step({
    kind: "CleanupOldBlocks",
    blocks: [held(0, ["e1"]), held(1, ["e1", "e2"]), held(2, ["gone"])]
  })
  assert.deepEqual(
    commands.map((c) => c.kind === "Send" && c.message.kind === "Forget" ? [c.executor, c.message.blocks] : c.kind),
    [["e1", ["a/3/1/0", "a/3/1/1"]], ["e2", ["a/3/1/1"]]]
  )
})
