/**
 * BlockReplicator: keeps each block of a level with `_2` at two executors, for as long as there are two.
 *
 * It knows the partner of each such block here: the executor that holds the other copy.
 *
 * | when | does |
 * | --- | --- |
 * | `copy` | gives a block that is stored here to a peer; if that one is lost or refuses, to the next. A peer that does not answer in time is waited for aside |
 * | `accept` | stores a peer's block; that peer is its partner |
 * | `peers`: the driver says which executors are ready, and stay | gives the blocks that have no partner among them to one, each once |
 * | `lost`: a partner is gone | tells the driver BlocksHeld of what it had given; its blocks have no partner, and get another |
 * | a block got another partner | tells the driver BlocksHeld of that one |
 * | `discard`: the driver refused a block | tells the driver BlocksHeld of the partner, which is told to forget it |
 * | `forget` | knows nothing of the block any more |
 *
 * BlocksHeld is how no copy is left behind: what the driver does not know, because its receiver's executor died before it was
 * reported, because it was refused, or because its batch was done meanwhile, the holder is told to forget. Peers take turns. Of
 * the blocks that need another partner, `concurrency` are copied at once.
 */
import { Cause, Deferred, Effect } from "effect"
import type { BlockContents } from "../../../core/blocks/BlockContents.ts"
import type { BlockId } from "../../../core/blocks/ReceivedBlock.ts"
import type { Payload } from "../../../core/dstream/BatchPlan.ts"
import { describeError } from "../../../core/protocol/describeError.ts"
import type { ToDriver } from "../../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorId } from "../../../core/protocol/Ids.ts"
import type { Border } from "../../../core/protocol/RecordCodec.ts"
import type { StorageLevel } from "../../../core/receiving/StorageLevel.ts"
import type { Millis } from "../../../core/time/Time.ts"
import type { BlockManager } from "./BlockManager.ts"
import type { Peers, Replicate } from "../Peers.ts"
import { messageOf } from "../TaskFault.ts"

/** A block that is stored here. */
export interface StoredHere {
  readonly block: BlockId
  readonly records: number | undefined
  readonly level: StorageLevel
}

/** Where the copy is, or why there is none; without reasons: there was nobody to ask. */
export interface Copy {
  readonly partner: ExecutorId | undefined
  readonly refusals: ReadonlyArray<string>
  /** Its records can never leave this executor: why. */
  readonly unsendable?: string | undefined
}

export interface BlockReplicator {
  readonly copy: (stored: StoredHere, contents: BlockContents) => Effect.Effect<Copy>
  readonly accept: (from: ExecutorId, what: Replicate) => Effect.Effect<string | undefined>
  readonly peers: (executors: ReadonlyArray<ExecutorId>) => void
  readonly lost: (peer: ExecutorId) => void
  readonly discard: (block: BlockId) => void
  readonly forget: (blocks: Iterable<BlockId>) => void
  /** Blocks that it knows. */
  readonly size: () => number
}

export interface BlockReplicatorOptions {
  readonly executor: ExecutorId
  readonly peers: Pick<Peers, "replicate">
  readonly blocks: Pick<BlockManager, "get" | "getPacked" | "putPacked">
  readonly border: Border["Service"]
  readonly toDriver: (message: ToDriver) => void
  /** Forks into the executor's scope. */
  readonly fork: (effect: Effect.Effect<void>) => unknown
  /** How long `copy` takes at most. */
  readonly copyTimeoutMillis: Millis
}

const concurrency = 2

interface Known extends StoredHere {
  /** Undefined: there is no other copy. */
  partner: ExecutorId | undefined
  /** Copied, or tried to, since the executors changed. */
  tried: boolean
}

export const make = (options: BlockReplicatorOptions): BlockReplicator => {
  const { blocks, border, executor, fork, toDriver } = options
  const known = new Map<BlockId, Known>()
  const gone = new Set<ExecutorId>()
  let others: ReadonlyArray<ExecutorId> = []
  let turn = 0
  let mending = false

  const tell = (holder: ExecutorId, held: ReadonlyArray<BlockId>) => {
    if (held.length > 0) toDriver({ kind: "BlocksHeld", executor: holder, blocks: held })
  }

  /** Asks one peer after the other. Each time anew `pack` makes what is given away. */
  const give = Effect.fnUntraced(function* (
    { block, level, records }: StoredHere,
    pack: Effect.Effect<Payload | undefined, string>
  ): Effect.fn.Return<Copy> {
    const refusals: Array<string> = []
    const first = turn++
    const candidates = others.map((_, i) => others[(first + i) % others.length]!)
    for (const peer of candidates) {
      if (gone.has(peer)) continue
      const packed = yield* Effect.result(pack)
      if (packed._tag === "Failure") {
        return { partner: undefined, refusals: [packed.failure], unsendable: packed.failure }
      }
      if (packed.success === undefined) return { partner: undefined, refusals: [] }
      const what = { kind: "ReplicateBlock", block, level, records, contents: packed.success } as const
      const answer = yield* Effect.result(options.peers.replicate(peer, what))
      if (answer._tag === "Failure") continue
      if (answer.success.refused === undefined) return { partner: peer, refusals }
      refusals.push(`${peer}: ${answer.success.refused}`)
    }
    return { partner: undefined, refusals }
  })

  /** Undefined: it is no longer here. */
  const packStored = (block: BlockId): Effect.Effect<Payload | undefined, string> =>
    Effect.gen(function* () {
      const packed = yield* blocks.getPacked(block)
      if (packed !== undefined) return packed
      const contents = yield* blocks.get(block)
      return contents && (yield* packContents(border, contents))
    }).pipe(Effect.catchCause((cause) => Effect.fail(describeError(Cause.squash(cause)))))

  /** From now on the block is looked after; a partner that is gone by now is none. */
  const enter = (stored: StoredHere, partner: ExecutorId | undefined) => {
    const { block, level, records } = stored
    const lives = partner !== undefined && !gone.has(partner)
    known.set(block, {
      block,
      level,
      records,
      partner: lives ? partner : undefined,
      tried: !lives && partner === undefined
    })
    if (!lives && partner !== undefined) mend()
  }

  const mendOne = Effect.fnUntraced(function* (one: Known) {
    one.tried = true
    const { partner, refusals } = yield* give(one, packStored(one.block))
    if (partner === undefined) {
      if (refusals.length === 0) return
      return yield* Effect.logWarning(`block ${one.block} stays without a second copy: ${refusals.join("; ")}`)
    }
    // Also if it was forgotten meanwhile: then the driver has the partner forget it.
    tell(partner, [one.block])
    if (gone.has(partner)) return void (one.tried = false)
    one.partner = partner
  })

  /** One that lives and is to leave is none. */
  const hasPartner = ({ partner }: Known) => partner !== undefined && others.includes(partner)

  const mendAll = Effect.gen(function* () {
    while (true) {
      const alone = Array.from(known.values()).filter((one) => !one.tried && !hasPartner(one))
      if (alone.length === 0 || others.every((other) => gone.has(other))) break
      yield* Effect.forEach(alone, (one) => known.has(one.block) ? mendOne(one) : Effect.void, {
        concurrency,
        discard: true
      })
    }
  })

  const mend = () => {
    if (mending) return
    mending = true
    fork(Effect.andThen(mendAll, Effect.sync(() => void (mending = false))))
  }

  /** Also if nobody looks after the block any more: then the driver has the partner forget it. */
  const cameLate = (block: BlockId, partner: ExecutorId | undefined) => {
    if (partner === undefined) return
    tell(partner, [block])
    const one = known.get(block)
    if (one === undefined || hasPartner(one)) return
    Object.assign(one, { partner, tried: !gone.has(partner) })
    mend()
  }

  return {
    copy: (stored, contents) =>
      Effect.map(
        inTime(give(stored, packContents(border, contents)), options, (copy, isLate) => {
          if (isLate) cameLate(stored.block, copy.partner)
          else if (copy.unsendable === undefined) enter(stored, copy.partner)
        }),
        (copy) => {
          if (copy !== undefined) return copy
          enter(stored, undefined)
          return { partner: undefined, refusals: [tookTooLong(options)] }
        }
      ),
    accept: Effect.fnUntraced(function* (from: ExecutorId, { block, contents, level, records }: Replicate) {
      const put = yield* Effect.result(blocks.putPacked(block, contents, records, level))
      if (put._tag === "Failure") return put.failure.message
      if (gone.has(from)) tell(executor, [block])
      enter({ block, level, records }, from)
      return undefined
    }),
    peers: (executors) => {
      others = executors.filter((other) => other !== executor)
      for (const one of known.values()) one.tried = false
      mend()
    },
    lost: (peer) => {
      gone.add(peer)
      const alone: Array<BlockId> = []
      for (const one of known.values()) {
        if (one.partner !== peer) continue
        one.partner = undefined
        one.tried = false
        alone.push(one.block)
      }
      tell(executor, alone)
      mend()
    },
    discard: (block) => {
      const partner = known.get(block)?.partner
      known.delete(block)
      if (partner !== undefined) tell(partner, [block])
    },
    forget: (gone) => {
      for (const block of gone) known.delete(block)
    },
    size: () => known.size
  }
}

const packContents = (border: Border["Service"], contents: BlockContents): Effect.Effect<Payload, string> =>
  Effect.try({
    try: () => border.pack(contents),
    catch: (error) => `its records cannot leave their executor: ${messageOf(error)}`
  })

const tookTooLong = ({ copyTimeoutMillis }: BlockReplicatorOptions): string =>
  `no other executor took it within ${copyTimeoutMillis} ms (blockReplicationTimeout)`

/** What `copying` gives in time; undefined: it goes on aside. `came` is told of what it gives, in time or late. */
const inTime = Effect.fnUntraced(function* (
  copying: Effect.Effect<Copy>,
  { copyTimeoutMillis, fork }: BlockReplicatorOptions,
  came: (copy: Copy, isLate: boolean) => void
): Effect.fn.Return<Copy | undefined> {
  const answered = Deferred.makeUnsafe<Copy>()
  let inTime: Copy | undefined
  let isLate = false
  fork(Effect.map(copying, (copy) => {
    came(copy, isLate)
    if (!isLate) inTime = copy
    Deferred.doneUnsafe(answered, Effect.succeed(copy))
  }))
  const waited = Effect.sync(() => {
    isLate = inTime === undefined
    return inTime
  })
  return yield* Deferred.await(answered).pipe(
    Effect.raceFirst(Effect.andThen(Effect.sleep(copyTimeoutMillis), waited)),
    Effect.onInterrupt(() => waited)
  )
})
