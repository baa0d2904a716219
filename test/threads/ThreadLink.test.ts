/**
 * ThreadLink on ports that do what the test says: what a peer says once its loss has been told.
 */
import * as assert from "node:assert/strict"
import { EventEmitter } from "node:events"
import { test } from "node:test"
import type { MessagePort } from "node:worker_threads"
import * as ThreadLink from "../../adapters/threads/ThreadLink.ts"
import type { Incoming } from "../../runtime/executor/ExecutorLink.ts"
import { handshake } from "../placement/handshake.ts"

/** A port that still hands over, after it was closed, what was on its way: as the real one may. */
class SlowPort extends EventEmitter {
  closed = false
  readonly sent: Array<unknown> = []
  close(): void {
    this.closed = true
  }
  postMessage(message: unknown): void {
    this.sent.push(message)
  }
  say(request: number): void {
    this.emit("message", { kind: "FetchBlock", request, block: "b" })
  }
  get port(): MessagePort {
    return this as unknown as MessagePort
  }
}

const start: ThreadLink.Start = {
  kind: "Start",
  executor: "me",
  host: "here",
  program: "program.ts",
  scratch: "scratch",
  handshake
}

const lineOf = (incoming: Incoming): string =>
  incoming.kind === "FromPeer"
    ? `${incoming.peer} asks ${(incoming.message as { readonly request: number }).request}`
    : incoming.kind === "PeerLost"
    ? `${incoming.peer} lost`
    : incoming.message.kind

test("what a peer says is heard until its loss is told, and not from then on", () => {
  const { hear, link } = ThreadLink.make(start, () => {})
  const lines: Array<string> = []
  const [old, other, young] = [new SlowPort(), new SlowPort(), new SlowPort()]
  hear({ kind: "Peer", peer: "a", port: old.port })
  hear({ kind: "Peer", peer: "b", port: other.port })
  old.say(1)
  link.onMessage((incoming) => void lines.push(lineOf(incoming)))
  old.say(2)
  hear({ kind: "PeerGone", peer: "a" })
  assert.equal(old.closed, true)
  old.say(3)
  other.say(4)
  assert.deepEqual(lines, ["a asks 1", "a asks 2", "a lost", "b asks 4"])
  // A new way to a peer takes the place of the old.
  hear({ kind: "Peer", peer: "a", port: young.port })
  old.say(5)
  young.say(6)
  link.toPeer("a", { kind: "FetchBlock", request: 7, block: "b" })
  assert.deepEqual(lines.slice(4), ["a asks 6"])
  assert.deepEqual([old.sent.length, young.sent.length], [0, 1])
})

test("to ask a peer to whom there is no way is answered with its loss, later", async () => {
  const { hear, link } = ThreadLink.make(start, () => {})
  const lines: Array<string> = []
  link.onMessage((incoming) => void lines.push(lineOf(incoming)))
  link.toPeer("nobody", { kind: "FetchBlock", request: 1, block: "b" })
  hear({ kind: "Message", message: { kind: "StopExecutor" } })
  assert.deepEqual(lines, ["StopExecutor"])
  await Promise.resolve()
  assert.deepEqual(lines, ["StopExecutor", "nobody lost"])
})
