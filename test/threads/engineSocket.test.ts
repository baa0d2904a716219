/**
 * A real server on loopback, received in a worker thread: nothing is lost and nothing comes twice, in bursts, over
 * connections that end, and at a graceful stop while the server goes on sending.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { it } from "../kit.ts"
import { collected, recordsOf } from "./programs/collected.ts"
import * as Run from "./run.ts"
import { server } from "./server.ts"

const lines = (from: number, count: number): string =>
  Array.from({ length: count }, (_, i) => `line ${from + i} of some length, as people write them\n`).join("")

const numbersFrom0 = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i)

const countsOf = (run: string): number => recordsOf(run, "counts").reduce((sum, count) => sum + count, 0)

it.live("50,000 lines in bursts are counted exactly, over three connections", () =>
  Effect.gen(function* () {
    const { port, send, hangUp, connections } = yield* server
    const total = 50_000
    const running = yield* Run.start("lines", { config: { RUN: "bursts", PORT: String(port) } })
    yield* Effect.promise(async () => {
      for (let sent = 0; sent < total; sent += 1000) {
        await send(lines(sent, 1000))
        if (sent % 20_000 === 19_000) await hangUp()
      }
    })
    yield* running.sees("BatchCompleted", () =>
      countsOf("bursts") >= total && recordsOf("bursts", "numbers").length >= total)
    const report = yield* running.context.stop({ graceful: true })
    assert.deepEqual(report, { graceful: true, openBatches: [], unallocatedBlocks: false, activeReceivers: [] })
    assert.equal(countsOf("bursts"), total)
    assert.deepEqual(recordsOf("bursts", "numbers"), numbersFrom0(total))
    assert.equal(connections(), 3)
    // The peer that closes is told; the receiver itself went on.
    const errors = running.eventsOf("ReceiverError").map(({ receiver }) =>
      receiver.lastErrorMessage
    )
    assert.equal(errors.length, 2)
    for (const error of errors) assert.match(error, new RegExp(`Connection to 127\\.0\\.0\\.1:${port} closed`))
    assert.equal(running.eventsOf("ReceiverStarted").length, 1)
    const told = running.eventsOf("BatchCompleted").reduce((sum, { batch }) => sum + batch.records, 0)
    assert.equal(told, total)
  }))

it.live("a graceful stop while the server sends loses nothing that was stored", () =>
  Effect.gen(function* () {
    const { port, send } = yield* server
    const running = yield* Run.start("lines", { config: { RUN: "stop", PORT: String(port) } })
    let enough = false
    yield* Effect.forkScoped(Effect.promise(async () => {
      for (let sent = 0; !enough; sent += 100) {
        await send(lines(sent, 100))
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    }))
    yield* running.sees("BatchCompleted", () => countsOf("stop") > 5000)
    const before = countsOf("stop")
    const report = yield* running.context.stop({ graceful: true })
    enough = true
    assert.deepEqual(report, { graceful: true, openBatches: [], unallocatedBlocks: false, activeReceivers: [] })
    const numbers = recordsOf("stop", "numbers")
    // Without a gap up to the last line that was stored, and both outputs of a batch saw the same.
    assert.deepEqual(numbers, numbersFrom0(numbers.length))
    assert.ok(numbers.length >= before)
    assert.equal(countsOf("stop"), numbers.length)
    assert.equal(running.eventsOf("BatchCompleted").reduce((sum, { batch }) => sum + batch.records, 0), numbers.length)
    assert.deepEqual(running.eventsOf("ReceiverStopped").map(({ receiver }) => receiver.lastError), [undefined])
    assert.ok(collected("stop", "numbers").length > 1)
  }))
