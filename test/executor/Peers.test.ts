/**
 * Peers: what becomes of questions whose answer never comes, or comes late.
 */
import * as assert from "node:assert/strict"
import { Effect, Exit, Fiber } from "effect"
import { ofRecords } from "../../core/blocks/BlockContents.ts"
import type { ToPeer } from "../../core/protocol/ExecutorProtocol.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import * as Peers from "../../runtime/executor/Peers.ts"
import * as ShuffleStore from "../../runtime/executor/shuffle/ShuffleStore.ts"
import { it } from "../kit.ts"

const asked = { kind: "FetchBlock", block: "b" } as const

/** An executor whose link loses everything, and keeps what was sent. */
const lonely = Effect.gen(function* () {
  const sent: Array<readonly [peer: string, message: ToPeer]> = []
  const kept: Array<string> = []
  const peers = yield* Peers.make({
    executor: "me",
    host: "here",
    toDriver: () => {},
    toPeer: (peer, message) => void sent.push([peer, message]),
    onMessage: () => {}
  }, {
    shuffles: ShuffleStore.make(),
    states: () => undefined,
    blocks: { get: () => Effect.succeed(undefined), getPacked: () => Effect.undefined },
    accept: (from, { block }) => Effect.as(Effect.sync(() => void kept.push(`${from} ${block}`)), undefined)
  })
  return { peers, sent, kept }
}).pipe(Effect.provideService(Border, Border.local))

it("whatever is asked of a peer that is gone fails at once, and nothing is sent to it", () =>
  Effect.gen(function* () {
    const { peers, sent } = yield* lonely
    peers.lost("other")
    const fiber = yield* Effect.forkChild(peers.fetch("other", asked), { startImmediately: true })
    const exit = fiber.pollUnsafe()
    assert.ok(exit !== undefined, "it does not wait")
    assert.deepEqual(exit, Exit.fail(new Peers.PeerLost({ peer: "other" })))
    assert.deepEqual(sent, [])
  }))

it("the loss of a peer ends all that was asked of it, and nothing else", () =>
  Effect.gen(function* () {
    const { peers, sent } = yield* lonely
    const ask = (peer: string) => Effect.forkChild(Effect.exit(peers.fetch(peer, asked)), { startImmediately: true })
    const [first, second, third] = [yield* ask("a"), yield* ask("b"), yield* ask("a")]
    assert.deepEqual(sent.map(([peer, message]) => [peer, message.kind]), [
      ["a", "FetchBlock"],
      ["b", "FetchBlock"],
      ["a", "FetchBlock"]
    ])
    peers.lost("a")
    const lost = Exit.fail(new Peers.PeerLost({ peer: "a" }))
    assert.deepEqual(yield* Fiber.join(first), lost)
    assert.deepEqual(yield* Fiber.join(third), lost)
    assert.equal(second.pollUnsafe(), undefined)
    const request = (sent[1]![1] as { readonly request: number }).request
    const answer = { kind: "Fetched", request, found: { kind: "value", value: 1 }, missing: undefined } as const
    // Of an unknown number, and twice: no change.
    for (const number of [99, request, request]) {
      peers.receive("b", { ...answer, request: number })
    }
    assert.deepEqual(yield* Fiber.join(second), Exit.succeed(answer))
  }))

it("a block is kept once for each request, and for no peer that is gone", () =>
  Effect.gen(function* () {
    const { kept, peers, sent } = yield* lonely
    const contents = { kind: "value", value: ofRecords(["a"]) } as const
    const keep = (peer: string, request: number) =>
      peers.receive(peer, {
        kind: "ReplicateBlock",
        request,
        block: `b${request}`,
        level: "MEMORY_ONLY_2",
        records: 1,
        contents
      })
    for (const [peer, request] of [["a", 1], ["a", 1], ["b", 1], ["a", 3], ["a", 1]] as const) keep(peer, request)
    peers.lost("a")
    keep("a", 4)
    yield* Effect.yieldNow
    assert.deepEqual(kept, ["a b1", "b b1", "a b3"])
    const answer = (request: number) => ({ kind: "Replicated", request, refused: undefined })
    assert.deepEqual(sent, [["a", answer(1)], ["b", answer(1)], ["a", answer(3)]])
  }))

it("a block that is given to a peer is kept there once it says so, or refused, or the peer is lost", () =>
  Effect.gen(function* () {
    const { peers } = yield* lonely
    const contents = { kind: "value", value: ofRecords(["a"]) } as const
    const what = { kind: "ReplicateBlock", block: "b", level: "DISK_ONLY_2", records: 1, contents } as const
    const [kept, refused, lost] = yield* Effect.forEach(
      ["a", "a", "b"],
      (peer) => Effect.forkChild(Effect.exit(peers.replicate(peer, what)), { startImmediately: true })
    )
    peers.receive("a", { kind: "Replicated", request: 2, refused: "full" })
    peers.receive("a", { kind: "Replicated", request: 1 })
    peers.lost("b")
    assert.deepEqual(yield* Fiber.join(kept!), Exit.succeed({ kind: "Replicated", request: 1 }))
    assert.deepEqual(yield* Fiber.join(refused!), Exit.succeed({ kind: "Replicated", request: 2, refused: "full" }))
    assert.deepEqual(yield* Fiber.join(lost!), Exit.fail(new Peers.PeerLost({ peer: "b" })))
  }))
