/**
 * Peers: what an executor asks of the others, and how it answers them. Source: Spark's block transfer service.
 *
 * | call or message | what happens |
 * | --- | --- |
 * | `fetch` | the request is sent under a number of its own; it ends with Fetched, or with PeerLost |
 * | Fetched | ends the request of that number; unknown or repeated: no change |
 * | PeerLost | ends all that was asked of that peer, and whatever is asked of it later |
 * | FetchShuffle | answered at once from the shuffle store, while tasks run too: they give way |
 * | FetchBlock | answered from the block manager, by a supervised fiber, for it may read a disk; a read that fails is told |
 *
 * There is no time limit: a peer is gone when its link says so, never for silence, for a user's function may hold it
 * for seconds. Requests at once are bounded by tasks times peers. Answering is idempotent.
 */
import { Cause, Data, Effect, FiberSet, type Scope } from "effect"
import type { Payload } from "../../../core/dstream/BatchPlan.ts"
import { describeError } from "../../../core/protocol/describeError.ts"
import type { ToPeer } from "../../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorId } from "../../../core/protocol/Ids.ts"
import { Border } from "../../../core/protocol/RecordCodec.ts"
import type { ExecutorLink } from "../ExecutorLink.ts"
import type { LocalBlocks } from "../BlockReader.ts"
import { messageOf } from "../TaskFault.ts"
import type { ShuffleStore } from "./ShuffleStore.ts"

export class PeerLost extends Data.TaggedError("PeerLost")<{ readonly peer: ExecutorId }> {}

export type Fetched = Extract<ToPeer, { readonly kind: "Fetched" }>
type FetchShuffle = Extract<ToPeer, { readonly kind: "FetchShuffle" }>
type FetchBlock = Extract<ToPeer, { readonly kind: "FetchBlock" }>
export type Fetch = Omit<FetchShuffle, "request"> | Omit<FetchBlock, "request">

export interface Peers {
  readonly fetch: (peer: ExecutorId, what: Fetch) => Effect.Effect<Fetched, PeerLost>
  readonly receive: (peer: ExecutorId, message: ToPeer) => void
  readonly lost: (peer: ExecutorId) => void
}

interface Pending {
  readonly peer: ExecutorId
  readonly end: (effect: Effect.Effect<Fetched, PeerLost>) => void
}

export const make = Effect.fnUntraced(function* (
  link: ExecutorLink,
  held: { readonly shuffles: ShuffleStore; readonly blocks: LocalBlocks }
): Effect.fn.Return<Peers, never, Border | Scope.Scope> {
  const border = yield* Border
  const fork = yield* FiberSet.makeRuntime<never, void, never>()
  const pending = new Map<number, Pending>()
  const gone = new Set<ExecutorId>()
  let requests = 0

  const end = (request: number, effect: Effect.Effect<Fetched, PeerLost>) => {
    const waiter = pending.get(request)
    pending.delete(request)
    waiter?.end(effect)
  }

  return {
    fetch: (peer, what) =>
      Effect.callback((resume) => {
        if (gone.has(peer)) return resume(Effect.fail(new PeerLost({ peer })))
        const request = ++requests
        pending.set(request, { peer, end: resume })
        link.toPeer(peer, { ...what, request })
        return Effect.sync(() => void pending.delete(request))
      }),
    receive: (peer, message) => {
      if (message.kind === "Fetched") end(message.request, Effect.succeed(message))
      else if (message.kind === "FetchShuffle") link.toPeer(peer, answerShuffle(held.shuffles, border, message))
      else fork(Effect.map(answerBlock(held.blocks, border, message), (answer) => link.toPeer(peer, answer)))
    },
    lost: (peer) => {
      gone.add(peer)
      for (const [request, waiter] of [...pending]) {
        if (waiter.peer === peer) end(request, Effect.fail(new PeerLost({ peer })))
      }
    }
  }
})

const answerShuffle = (store: ShuffleStore, border: Border["Service"], asked: FetchShuffle): Fetched => {
  const blocks: Array<unknown> = []
  for (const map of asked.mapPartitions) {
    const block = store.get(asked.shuffle, map, asked.reducePartition)
    if (block === undefined) return { kind: "Fetched", request: asked.request, found: undefined, missing: map }
    blocks.push(block)
  }
  return packed(border, asked.request, blocks)
}

const answerBlock = (blocks: LocalBlocks, border: Border["Service"], asked: FetchBlock): Effect.Effect<Fetched> =>
  blocks.get(asked.block).pipe(
    Effect.map((contents) =>
      contents === undefined ? absent(asked.request, {}) : packed(border, asked.request, contents)
    ),
    Effect.catchCause((cause) =>
      Effect.succeed(absent(asked.request, { unreadable: describeError(Cause.squash(cause)) }))
    )
  )

const absent = (request: number, why: Pick<Fetched, "failure" | "unreadable">): Fetched => ({
  kind: "Fetched",
  request,
  found: undefined,
  missing: undefined,
  ...why
})

/** What cannot be encoded is the program's error: whoever asked is told, and its task fails with it. */
const packed = (border: Border["Service"], request: number, value: unknown): Fetched => {
  let found: Payload
  try {
    found = border.pack(value)
  } catch (error) {
    return absent(request, { failure: messageOf(error) })
  }
  return { kind: "Fetched", request, found, missing: undefined }
}
