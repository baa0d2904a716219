/**
 * Peers: what an executor asks of the others, and how it answers them. Source: Spark's block transfer service.
 *
 * | call or message | what happens |
 * | --- | --- |
 * | `fetch`, `replicate` | the request is sent under a number of its own; it ends with Fetched or Replicated, or with PeerLost |
 * | Fetched, Replicated | ends the request of that number; unknown or repeated: no change |
 * | PeerLost | ends all that was asked of that peer, and whatever is asked of it later |
 * | FetchShuffle, FetchState | answered at once from the shuffle store or the states, while tasks run too: they give way |
 * | FetchBlock | answered from the block manager, by a supervised fiber, for it may read a disk; a read that fails is told |
 * | ReplicateBlock | stored by the BlockReplicator, in a supervised fiber; repeated, or of a peer that is gone: no change |
 *
 * There is no time limit: a peer is gone when its link says so, never for silence, for a user's function may hold it
 * for seconds. Requests at once are bounded by tasks times peers, and by the blocks that receivers store at once. Answering is
 * idempotent. The requests of a peer grow in number, so that a number that came before is a repetition.
 */
import { Cause, Data, Effect, FiberSet, type Scope } from "effect"
import type { BlockContents } from "../../core/blocks/BlockContents.ts"
import type { BlockId } from "../../core/blocks/ReceivedBlock.ts"
import type { Payload } from "../../core/dstream/BatchPlan.ts"
import { describeError } from "../../core/protocol/describeError.ts"
import type { ToPeer } from "../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorId, PartitionIndex, RddId } from "../../core/protocol/Ids.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import type { StateView } from "../../core/state/StateStore.ts"
import type { ExecutorLink } from "./ExecutorLink.ts"
import { messageOf } from "./TaskFault.ts"
import type { ShuffleStore } from "./shuffle/ShuffleStore.ts"

export class PeerLost extends Data.TaggedError("PeerLost")<{ readonly peer: ExecutorId }> {}

type Message<K extends ToPeer["kind"]> = Extract<ToPeer, { readonly kind: K }>
type Asked<K extends ToPeer["kind"]> = Omit<Message<K>, "request">

export type Fetched = Message<"Fetched">
export type Replicated = Message<"Replicated">
export type Fetch = Asked<"FetchShuffle"> | Asked<"FetchBlock"> | Asked<"FetchState">
export type Replicate = Asked<"ReplicateBlock">

export interface Peers {
  readonly fetch: (peer: ExecutorId, what: Fetch) => Effect.Effect<Fetched, PeerLost>
  readonly replicate: (peer: ExecutorId, what: Replicate) => Effect.Effect<Replicated, PeerLost>
  readonly receive: (peer: ExecutorId, message: ToPeer) => void
  readonly lost: (peer: ExecutorId) => void
}

/** What an executor answers its peers from. */
export interface Held {
  readonly shuffles: ShuffleStore
  /** What a version of a state shows; undefined: it is not here. */
  readonly states: (state: RddId, partition: PartitionIndex, view: StateView) => ReadonlyArray<unknown> | undefined
  readonly blocks: {
    readonly get: (block: BlockId) => Effect.Effect<BlockContents | undefined, unknown>
    /** A block that is kept packed, as a copy that may be given away. */
    readonly getPacked: (block: BlockId) => Effect.Effect<Payload | undefined, unknown>
  }
  /** Stores a copy for a peer; why not, if it cannot be stored. */
  readonly accept: (from: ExecutorId, what: Replicate) => Effect.Effect<string | undefined>
}

interface Pending {
  readonly peer: ExecutorId
  readonly end: (effect: Effect.Effect<any, PeerLost>) => void
}

export const make = Effect.fnUntraced(function* (
  link: ExecutorLink,
  held: Held
): Effect.fn.Return<Peers, never, Border | Scope.Scope> {
  const border = yield* Border
  const fork = yield* FiberSet.makeRuntime<never, void, never>()
  const pending = new Map<number, Pending>()
  const gone = new Set<ExecutorId>()
  /** By peer: the number of the last block that it asked to be kept. */
  const accepted = new Map<ExecutorId, number>()
  let requests = 0

  const end = (request: number, effect: Effect.Effect<Fetched | Replicated, PeerLost>) => {
    const waiter = pending.get(request)
    pending.delete(request)
    waiter?.end(effect)
  }

  const ask = <A>(peer: ExecutorId, what: Fetch | Replicate): Effect.Effect<A, PeerLost> =>
    Effect.callback((resume) => {
      if (gone.has(peer)) return resume(Effect.fail(new PeerLost({ peer })))
      const request = ++requests
      pending.set(request, { peer, end: resume })
      link.toPeer(peer, { ...what, request })
      return Effect.sync(() => void pending.delete(request))
    })

  const accept = (peer: ExecutorId, { request, ...what }: Message<"ReplicateBlock">) => {
    if (gone.has(peer) || request <= (accepted.get(peer) ?? 0)) return
    accepted.set(peer, request)
    const answer = (refused: string | undefined) => link.toPeer(peer, { kind: "Replicated", request, refused })
    fork(Effect.map(held.accept(peer, what), answer))
  }

  return {
    fetch: (peer, what) => ask(peer, what),
    replicate: (peer, what) => ask(peer, what),
    receive: (peer, message) => {
      switch (message.kind) {
        case "Fetched":
        case "Replicated":
          return end(message.request, Effect.succeed(message))
        case "FetchShuffle":
          return link.toPeer(peer, answerShuffle(held.shuffles, border, message))
        case "FetchState":
          return link.toPeer(peer, answerState(held, border, message))
        case "FetchBlock":
          return void fork(
            Effect.map(answerBlock(held.blocks, border, message), (answer) => link.toPeer(peer, answer))
          )
        case "ReplicateBlock":
          return accept(peer, message)
      }
    },
    lost: (peer) => {
      gone.add(peer)
      accepted.delete(peer)
      for (const [request, waiter] of [...pending]) {
        if (waiter.peer === peer) end(request, Effect.fail(new PeerLost({ peer })))
      }
    }
  }
})

const answerShuffle = (store: ShuffleStore, border: Border["Service"], asked: Message<"FetchShuffle">): Fetched => {
  const blocks: Array<unknown> = []
  for (const map of asked.mapPartitions) {
    const block = store.get(asked.shuffle, map, asked.reducePartition)
    if (block === undefined) return { kind: "Fetched", request: asked.request, found: undefined, missing: map }
    blocks.push(block)
  }
  return packed(border, asked.request, blocks)
}

const answerState = (
  { states }: Held,
  border: Border["Service"],
  { partition, request, state, view }: Message<"FetchState">
): Fetched => {
  const records = states(state, partition, view)
  return records === undefined ? absent(request, {}) : packed(border, request, records)
}

const answerBlock = (
  { get, getPacked }: Held["blocks"],
  border: Border["Service"],
  { block, request }: Message<"FetchBlock">
): Effect.Effect<Fetched> =>
  Effect.gen(function* () {
    const found = yield* getPacked(block)
    if (found !== undefined) return { kind: "Fetched", request, found, missing: undefined } as const
    const contents = yield* get(block)
    return contents === undefined ? absent(request, {}) : packed(border, request, contents)
  }).pipe(
    Effect.catchCause((cause) => Effect.succeed(absent(request, { unreadable: describeError(Cause.squash(cause)) })))
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
