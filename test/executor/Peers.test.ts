/**
 * Peers: what becomes of questions whose answer never comes, or comes late.
 */
import * as assert from "node:assert/strict"
import { Effect, Exit, Fiber } from "effect"
import type { ToPeer } from "../../core/protocol/ExecutorProtocol.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import * as Peers from "../../runtime/executor/shuffle/Peers.ts"
import * as ShuffleStore from "../../runtime/executor/shuffle/ShuffleStore.ts"
import { it } from "../kit.ts"

const asked = { kind: "FetchBlock", block: "b" } as const

/** An executor whose link loses everything, and keeps what was sent. */
const lonely = Effect.gen(function* () {
  const sent: Array<readonly [peer: string, message: ToPeer]> = []
  const peers = yield* Peers.make({
    executor: "me",
    host: "here",
    toDriver: () => {},
    toPeer: (peer, message) => void sent.push([peer, message]),
    onMessage: () => {}
  }, {
    shuffles: ShuffleStore.make(),
    blocks: { get: () => Effect.succeed(undefined), remove: () => {} }
  })
  return { peers, sent }
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
