/**
 * The simulated placement with executors that only echo: what a driver is promised, over many seeds and all faults of messages.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Deferred, Effect, Exit, Queue } from "effect"
import type { Handshake } from "../../core/protocol/ExecutorProtocol.ts"
import type { Incoming } from "../../runtime/executor/ExecutorLink.ts"
import type { RunExecutor } from "../../runtime/placement/LocalPlacement.ts"
import type { PlacementEvent } from "../../runtime/placement/Placement.ts"
import { noFaults } from "../../adapters/simulation/faults/FaultPlan.ts"
import { Faults } from "../../adapters/simulation/faults/Faults.ts"
import { jsonCodec } from "./kernel/interleavings.ts"
import { Network } from "../../adapters/simulation/kernel/Network.ts"
import { World } from "../../adapters/simulation/kernel/World.ts"
import { SimulatedPlacement } from "../../adapters/simulation/SimulatedPlacement.ts"

const handshake = {} as Handshake

/** Is ready at once, tells the driver how it was asked, asks every peer that it is told of, ends when it is told to. */
const echo: RunExecutor = ({ link }) =>
  Effect.gen(function* () {
    const inbox = yield* Queue.unbounded<Incoming>()
    const stopped = yield* Deferred.make<void>()
    link.onMessage((incoming) => Queue.offerUnsafe(inbox, incoming))
    link.toDriver({ kind: "ExecutorReady" })
    const say = (message: string) =>
      link.toDriver({
        kind: "ReceiverMessage",
        request: 0,
        message: { kind: "ReportError", stream: "s", attempt: 0, message, error: undefined }
      })
    yield* Effect.forkScoped(Effect.forever(Effect.map(Queue.take(inbox), (incoming) => {
      if (incoming.kind === "PeerLost") return say(`lost ${incoming.peer}`)
      if (incoming.kind === "FromPeer") return say(`asked by ${incoming.peer}`)
      const { message } = incoming
      if (message.kind === "StopExecutor") return Deferred.doneUnsafe(stopped, Exit.void)
      if (message.kind !== "StopReceiver") return
      say(`told ${message.attempt}`)
      if (message.message !== "") link.toPeer(message.message, { kind: "FetchBlock", request: 1, block: "b" })
    })))
    yield* Deferred.await(stopped)
  })

const run = (seed: number, crashAt: number | undefined) => {
  const world = new World({ seed, preemption: 0.1 })
  const rates = { ...noFaults.rates, messageDelay: 0.1, messageDuplicate: 0.2, earlyTimer: 0.1 }
  const faults = new Faults(world, { ...noFaults, rates, delayMillisMax: 30 })
  const driver = world.node("driver")
  const placement = new SimulatedPlacement({
    world,
    network: new Network(world, jsonCodec, faults.network),
    driver,
    executors: 2,
    nodeName: (executor) => executor,
    runExecutor: () => echo,
    startMillis: () => 5,
    noticeMillis: () => 40
  })
  const events: Array<PlacementEvent> = []
  if (crashAt !== undefined) {
    world.after(crashAt, undefined, () =>
      placement.crash(
        world.nodes.find(({ name }) => name === "executor-1")!,
        "test"
      ))
  }
  const root = driver.run(
    "driver",
    Effect.gen(function* () {
      const executors = yield* placement.service.start(handshake, (event) => events.push(event))
      for (let attempt = 0; attempt < 20; attempt++) {
        executors.send("executor-1", { kind: "StopReceiver", stream: "s", attempt, message: "executor-2" })
        executors.send("executor-2", { kind: "StopReceiver", stream: "s", attempt, message: "executor-1" })
        yield* Effect.sleep(10)
      }
      yield* Effect.sleep(500)
    }).pipe(Effect.scoped)
  )
  const outcome = world.run({ until: () => root.exit !== undefined, timeLimitMillis: world.now + 60_000 })
  assert.equal(outcome.kind, "Done", "report" in outcome ? outcome.report : "")
  assert.ok(Exit.isSuccess(root.exit!), String(root.exit))
  return { events, placement }
}

/** What an executor reported. */
const said = (events: ReadonlyArray<PlacementEvent>, executor: string): ReadonlyArray<string> =>
  events.flatMap((event) =>
    event.kind === "FromExecutor" && event.executor === executor && event.message.kind === "ReceiverMessage" &&
      event.message.message.kind === "ReportError"
      ? [event.message.message.message]
      : []
  )

const distinct = (
  texts: ReadonlyArray<string>,
  prefix: string
) => [...new Set(texts.filter((text) => text.startsWith(prefix)))]

test("executors join, are told everything in order, and end with the scope", () => {
  for (let seed = 0; seed < 30; seed++) {
    const { events, placement } = run(seed, undefined)
    const joined = events.flatMap((event) => event.kind === "ExecutorJoined" ? [event.info.executor] : [])
    assert.deepEqual(joined.sort(), ["executor-1", "executor-2"])
    for (const executor of joined) {
      assert.deepEqual(distinct(said(events, executor), "told"), Array.from({ length: 20 }, (_, n) => `told ${n}`))
    }
    assert.ok(said(events, "executor-2").includes("asked by executor-1"))
    assert.equal(events.some((event) => event.kind === "ExecutorLost"), false)
    assert.deepEqual(placement.alive, [])
  }
})

test("a crashed executor says a beginning of what it said, is lost once, is replaced, and its peers hear of it", () => {
  const heard = new Set<number>()
  for (let seed = 0; seed < 60; seed++) {
    const { events } = run(seed, 60 + seed)
    const lost = events.findIndex((event) => event.kind === "ExecutorLost")
    assert.equal(events.filter((event) => event.kind === "ExecutorLost").length, 1)
    const told = distinct(said(events, "executor-1"), "told")
    assert.deepEqual(told, told.map((_, n) => `told ${n}`))
    heard.add(told.length)
    assert.deepEqual(said(events.slice(lost), "executor-1"), [])
    assert.ok(events.some((event) => event.kind === "ExecutorJoined" && event.info.executor === "executor-3"))
    assert.ok(said(events, "executor-2").includes("lost executor-1"))
  }
  assert.ok(heard.size > 4, `crashes came after ${[...heard].join()} messages`)
})
