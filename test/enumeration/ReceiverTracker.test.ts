/**
 * Two executors, a receiver that registers, stores, ends and restarts, messages of old attempts and from elsewhere, a stop, in
 * every order.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { blockId } from "../../core/blocks/ReceivedBlock.ts"
import type { ReceiverMessage } from "../../core/protocol/ExecutorProtocol.ts"
import { leastLoaded } from "../../core/receiving/ReceiverSchedulingPolicy.ts"
import * as Tracker from "../../core/receiving/ReceiverTracker.ts"
import { enumerate, keyOf, type Surrounded } from "./enumerate.ts"

type Move =
  | { readonly kind: "Start" | "Stop" }
  | { readonly kind: "Join" | "Lose"; readonly executor: string }
  | { readonly kind: "Restart"; readonly attempt: number }
  | { readonly kind: "Say"; readonly executor: string; readonly attempt: number; readonly what: What }

type What = "RegisterReceiver" | "AddBlock" | "DeregisterReceiver" | "ReceiverEnded"

type Event = Omit<Tracker.ReceiverTrackerEvent, "now">

const stream = "s"
const settings = { receiverRestartDelayMillis: 10, receiverRestartDelayMaxMillis: 100, receiverLivedMillis: 1000 }

const messageOf = (what: What, attempt: number): ReceiverMessage => {
  switch (what) {
    case "RegisterReceiver":
      return { kind: what, stream, attempt, receiver: "r" }
    case "AddBlock": {
      const block = blockId({ stream, epoch: 1, attempt, sequence: 0 })
      return {
        kind: what,
        info: { block, stream, attempt, sequence: 0, records: 1, bytes: 1, locations: [] }
      }
    }
    case "DeregisterReceiver":
      return { kind: what, stream, attempt, message: "", error: undefined }
    case "ReceiverEnded":
      return { kind: what, stream, attempt, stopped: false }
  }
}

const surrounded = (): Surrounded<Move> => {
  const state = Tracker.make({
    epoch: 1,
    receivers: [{ stream, name: "r", preferredHost: undefined }],
    policy: leastLoaded,
    settings
  })
  const executors = new Set<string>()
  const joined = new Set<string>()
  /** The executor that each attempt was ordered to. */
  const orders = new Map<number, string>()
  /** Restarts that wait, by attempt. */
  const timers = new Set<number>()
  /** What was ordered and has not ended, as the outside knows it. */
  const runs = new Set<number>()
  let request = 0
  let allStopped = 0

  const perform = (command: Tracker.ReceiverTrackerCommand) => {
    switch (command.kind) {
      case "Send": {
        assert.ok(executors.has(command.executor), "nothing is sent to who is not there")
        const { message } = command
        if (message.kind !== "StartReceiver") return
        assert.ok(message.attempt > Math.max(0, ...orders.keys()), "attempts grow")
        assert.equal(state.phase, "Started", "a receiver starts only while receivers run")
        orders.set(message.attempt, command.executor)
        runs.add(message.attempt)
        return
      }
      case "AddBlock": {
        const { attempt } = command.info
        assert.ok(executors.has(command.executor), "a block of a lost executor is refused")
        assert.ok(attempt !== state.receivers.get(stream)!.registered || orders.get(attempt) === command.executor)
        return
      }
      case "ScheduleRestart":
        assert.ok(!timers.has(command.attempt), "an attempt is followed by one restart")
        timers.add(command.attempt)
        return
      case "AllReceiversStopped":
        allStopped++
        assert.equal(allStopped, 1, "the end is told once")
        assert.ok(![...state.receivers.values()].some(({ launched }) => launched), "when no job is left")
        return
      case "BlocksHeld":
      case "Post":
        return
    }
  }

  const send = (event: Event): ReadonlyArray<Tracker.ReceiverTrackerCommand> => {
    const commands = Tracker.step(state, { now: 0, ...event } as Tracker.ReceiverTrackerEvent)
    commands.forEach(perform)
    const receiver = state.receivers.get(stream)!
    assert.ok(!receiver.launched || executors.has(receiver.executor!), "it runs where somebody is")
    assert.ok(receiver.state !== "Active" || receiver.registered === receiver.attempt, "active is the newest attempt")
    if (state.phase === "Started" && executors.size > 0) {
      assert.ok(receiver.launched || timers.has(receiver.attempt), "it runs, or is about to be started")
    }
    return commands
  }

  const say = ({ attempt, executor, what }: Extract<Move, { kind: "Say" }>) => {
    const commands = send({
      kind: "FromExecutor",
      executor,
      request: ++request,
      message: messageOf(what, attempt)
    } as Event)
    const answers = commands.filter((command) =>
      ((command.kind === "AddBlock" || command.kind === "AnswerRegistered") && command.request === request) ||
      (command.kind === "Send" && command.message.kind === "ReceiverAnswer" && command.message.request === request)
    )
    assert.equal(answers.length, 1, "each question has one answer")
    const [answer] = answers
    if (what === "RegisterReceiver" && answer?.kind === "AnswerRegistered") {
      const isIt = state.phase === "Started" && attempt === Math.max(...orders.keys()) && runs.has(attempt) &&
        orders.get(attempt) === executor
      assert.ok(isIt, "only the newest attempt registers, where it was ordered")
    }
    if (what === "ReceiverEnded" && orders.get(attempt) === executor) runs.delete(attempt)
  }

  const says = (): ReadonlyArray<Move> => {
    const last = Math.max(0, ...orders.keys())
    const at = orders.get(last)
    if (at === undefined || !executors.has(at)) return []
    const whats = ["RegisterReceiver", "AddBlock", "DeregisterReceiver", "ReceiverEnded"] as const
    const other = [...executors].find((executor) => executor !== at)
    return [
      ...whats.map((what): Move => ({ kind: "Say", executor: at, attempt: last, what })),
      ...(last > 1 && executors.has(orders.get(last - 1)!)
        ? whats.map((what): Move => ({ kind: "Say", executor: orders.get(last - 1)!, attempt: last - 1, what }))
        : []),
      ...(other === undefined
        ? []
        : [{ kind: "Say", executor: other, attempt: last, what: "RegisterReceiver" } satisfies Move])
    ]
  }

  return {
    moves: () => [
      ...(state.phase === "Initialized" ? [{ kind: "Start" } satisfies Move] : [{ kind: "Stop" } satisfies Move]),
      ...["e1", "e2"].flatMap((executor): ReadonlyArray<Move> =>
        executors.has(executor)
          ? [{ kind: "Lose", executor }]
          : joined.has(executor)
          ? []
          : [{ kind: "Join", executor }]
      ),
      ...[...timers].map((attempt): Move => ({ kind: "Restart", attempt })),
      ...says()
    ],
    take: (move) => {
      switch (move.kind) {
        case "Start":
          return void send({ kind: "StartAllReceivers" } as Event)
        case "Stop":
          return void send({ kind: "StopAllReceivers" } as Event)
        case "Join":
          executors.add(move.executor)
          joined.add(move.executor)
          return void send({
            kind: "ExecutorJoined",
            executor: { executor: move.executor, host: "h" }
          } as Event)
        case "Lose":
          executors.delete(move.executor)
          for (const attempt of runs) if (orders.get(attempt) === move.executor) runs.delete(attempt)
          return void send({ kind: "ExecutorLost", executor: move.executor, reason: "test" } as Event)
        case "Restart":
          timers.delete(move.attempt)
          return void send({ kind: "RestartReceiver", stream, attempt: move.attempt } as Event)
        case "Say":
          return say(move)
      }
    },
    key: () => {
      const { executors: there, phase, receivers } = state
      return keyOf([there, phase, receivers, [...executors], [...joined], orders, [...timers], [...runs], allStopped])
    }
  }
}

test("every sequence of events of the ReceiverTracker keeps its invariants", () => {
  const { sequences, situations } = enumerate(surrounded)
  assert.ok(sequences > 30_000, `only ${sequences} sequences`)
  assert.ok(situations > 500, `only ${situations} situations`)
})
