/**
 * The HTTP receiver in a worker thread of a whole engine: what was answered is in a batch, and a port in use is told.
 */
import * as assert from "node:assert/strict"
import * as net from "node:net"
import { Effect } from "effect"
import { it } from "../kit.ts"
import { recordsOf } from "../threads/programs/collected.ts"
import * as Run from "../threads/run.ts"
import { freePort, request } from "./client.ts"

const program = new URL("./programs/posted.ts", import.meta.url).href

it.live("what was answered with 200 is in a batch, once, and a graceful stop keeps it", () =>
  Effect.gen(function* () {
    const port = yield* freePort
    const running = yield* Run.start(program, { config: { RUN: "posted", PORT: String(port) } })
    yield* running.sees("ReceiverStarted")
    const send = (line: string) => Effect.retry(request(port, line), { times: 200 })
    const answers = yield* Effect.forEach(
      Array.from({ length: 30 }, (_, i) => `line ${i}`),
      send,
      { concurrency: 4 }
    )
    assert.deepEqual(answers.map(({ body, status }) => [status, body]), answers.map(() => [200, { stored: 1 }]))
    yield* running.context.stop({ graceful: true })
    const expected = Array.from({ length: 30 }, (_, i) => `line ${i} of ${`line ${i}`.length} characters`)
    assert.deepEqual(recordsOf("posted", "lines").toSorted(), expected.toSorted())
  }))

it.live("a port that is in use is told, and the receiver is started again", () =>
  Effect.gen(function* () {
    const port = yield* freePort
    const other = net.createServer()
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void other.listen(port, "127.0.0.1", () => resume(Effect.void))),
      () => Effect.callback<void>((resume) => void other.close(() => resume(Effect.void)))
    )
    const running = yield* Run.start(program, { threads: 0, config: { RUN: "busy", PORT: String(port) } })
    const { receiver } = yield* running.sees("ReceiverStopped")
    assert.match(
      receiver.lastError ?? "",
      new RegExp(`cannot listen on port ${port} of 127.0.0.1: it is in use: end the`)
    )
  }))
