/**
 * BlockReplicator: executors that keep copies of each other's blocks, with a driver that is a list of messages: what is at two
 * executors stays at two through losses, as long as there are two; nothing is left behind.
 */
import * as assert from "node:assert/strict"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { test } from "node:test"
import { type BlockContents, ofBytes, ofRecords, recordsOf } from "../../core/blocks/BlockContents.ts"
import type { ToDriver } from "../../core/protocol/ExecutorProtocol.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import type { StorageLevel } from "../../core/receiving/StorageLevel.ts"
import * as BlockManager from "../../runtime/executor/blocks/BlockManager.ts"
import * as BlockReplicator from "../../runtime/executor/blocks/BlockReplicator.ts"
import { blockManagerBased } from "../../runtime/executor/blocks/ReceivedBlockHandler.ts"
import { PeerLost, type Replicate, type Replicated } from "../../runtime/executor/Peers.ts"
import * as BlockStorage from "../../runtime/storage/BlockStorage.ts"
import { jsonCodec } from "../executor/cluster.ts"
import { it } from "../kit.ts"

const border = Border.coded(jsonCodec)

interface Member {
  readonly blocks: BlockManager.BlockManager
  readonly replicator: BlockReplicator.BlockReplicator
}

/** Executors by name; a driver that knows who holds what it was told, and has everything else forgotten. */
class Group {
  readonly members = new Map<string, Member>()
  readonly told: Array<Extract<ToDriver, { kind: "BlocksHeld" }>> = []
  readonly given: Array<string> = []
  /** What the driver knows: the holders of a block. */
  readonly known = new Map<string, Set<string>>()
  readonly memoryLimitBytes: number
  /** Awaited before a peer keeps a block. */
  hold: Effect.Effect<void> = Effect.void

  constructor(names: ReadonlyArray<string>, memoryLimitBytes = 1e6) {
    this.memoryLimitBytes = memoryLimitBytes
    for (const name of names) this.join(name)
  }

  join(name: string): void {
    const { memoryLimitBytes } = this
    const blocks = BlockManager.make({ storage: BlockStorage.memory(), codec: jsonCodec, border, memoryLimitBytes })
    const replicator = BlockReplicator.make({
      executor: name,
      peers: { replicate: (peer, what) => this.replicate(name, peer, what) },
      blocks,
      border,
      toDriver: (message) => message.kind === "BlocksHeld" && this.held(message),
      copyTimeoutMillis: 30_000,
      fork: (effect) => void Effect.runFork(effect)
    })
    this.members.set(name, { blocks, replicator })
    this.tellPeers()
  }

  private replicate(from: string, peer: string, what: Replicate): Effect.Effect<Replicated, PeerLost> {
    const lost = new PeerLost({ peer })
    return Effect.suspend(() => {
      this.given.push(`${from} ${peer} ${what.block}`)
      const member = this.members.get(peer)
      if (member === undefined) return Effect.fail(lost)
      return Effect.andThen(this.hold, member.replicator.accept(from, what))
    }).pipe(
      Effect.map((refused) => ({ kind: "Replicated", request: 0, refused } as const)),
      Effect.filterOrFail(() => this.members.has(peer), () => lost)
    )
  }

  private held(message: Extract<ToDriver, { kind: "BlocksHeld" }>): void {
    this.told.push(message)
    for (const block of message.blocks) {
      const holders = this.known.get(block)
      if (holders === undefined) this.forget(message.executor, block)
      else holders.add(message.executor)
    }
  }

  forget(executor: string, block: string): void {
    const member = this.members.get(executor)
    if (member === undefined) return
    member.replicator.forget([block])
    Effect.runSync(member.blocks.remove([block]))
  }

  /** One of them, if any, is to leave. */
  tellPeers(leaving?: string): void {
    const staying = [...this.members.keys()].filter((name) => name !== leaving)
    for (const { replicator } of this.members.values()) replicator.peers(staying)
  }

  lose(name: string): void {
    this.members.delete(name)
    for (const holders of this.known.values()) holders.delete(name)
    for (const { replicator } of this.members.values()) replicator.lost(name)
    this.tellPeers()
  }

  /** A receiver at an executor stores a block; it is reported if the driver is to know it. */
  store(at: string, block: string, options: { level?: StorageLevel; contents?: BlockContents; report?: boolean } = {}) {
    const { contents = ofRecords([block]), level = "MEMORY_AND_DISK_2", report = true } = options
    const { blocks, replicator } = this.members.get(at)!
    return Effect.gen({ self: this }, function* () {
      const { records } = yield* blocks.put(block, contents, level)
      if (level === "MEMORY_ONLY") return { partner: undefined, refusals: [] }
      const copy = yield* replicator.copy({ block, level, records }, contents)
      if (report) {
        const holders = copy.partner === undefined ? [at] : [at, copy.partner]
        this.known.set(block, new Set(holders.filter((name) => this.members.has(name))))
      }
      return copy
    })
  }

  holders(block: string): ReadonlyArray<string> {
    return [...this.members].flatMap(([name, { blocks }]) => blocks.has(block) ? [name] : [])
  }

  read(at: string, block: string) {
    return Effect.map(this.members.get(at)!.blocks.get(block), (contents) => contents && recordsOf(contents, undefined))
  }
}

it("a block is given to one peer, in turn, and can be read there, from memory and from disk", () =>
  Effect.gen(function* () {
    for (const level of ["MEMORY_ONLY_2", "MEMORY_AND_DISK_2", "DISK_ONLY_2"] as const) {
      const group = new Group(["e1", "e2", "e3"])
      for (const block of ["a", "b", "c"]) assert.ok((yield* group.store("e1", block, { level })).partner)
      assert.deepEqual(["a", "b", "c"].map((block) => group.holders(block)), [["e1", "e2"], ["e1", "e3"], ["e1", "e2"]])
      assert.deepEqual(yield* group.read("e2", "a"), ["a"])
      const { diskBlocks, memoryBlocks } = group.members.get("e2")!.blocks.stats()
      assert.deepEqual([memoryBlocks, diskBlocks], level === "DISK_ONLY_2" ? [0, 2] : [2, 0])
    }
  }))

it("who refuses or is lost is passed over; who is alone keeps the block, and is not told why", () =>
  Effect.gen(function* () {
    const alone = new Group(["e1"])
    assert.deepEqual(yield* alone.store("e1", "a"), { partner: undefined, refusals: [] })
    const group = new Group(["e1", "e2", "e3"])
    group.members.delete("e2")
    assert.equal((yield* group.store("e1", "a")).partner, "e3")
    const full = new Group(["e1", "e2", "e3"], 6000)
    yield* full.store("e2", "other", { level: "MEMORY_ONLY", contents: ofBytes(new Uint8Array(5500)) })
    const many = ofRecords(["y".repeat(2000)])
    const { partner, refusals } = yield* full.store("e1", "big", { level: "MEMORY_ONLY_2", contents: many })
    assert.equal(partner, "e3")
    assert.match(refusals.join(), /^e2: block big cannot be stored: .*blockMemoryBytes/)
  }))

it("a block whose records can never leave their executor is refused, not kept by one alone", () =>
  Effect.gen(function* () {
    const group = new Group(["e1", "e2"])
    const { blocks, replicator } = group.members.get("e1")!
    const handler = blockManagerBased(blocks, "e1", replicator)
    const error = yield* Effect.flip(handler.store("a", ofRecords([() => 1]), "MEMORY_ONLY_2"))
    assert.match(
      error.message,
      /refused: its records cannot leave their executor: the function at .* cannot be encoded/
    )
    assert.deepEqual([group.holders("a"), replicator.size()], [[], 0])
  }))

it("after a loss the holder that is left finds another, at once or when one joins, and the driver knows", () =>
  Effect.gen(function* () {
    const group = new Group(["e1", "e2"])
    for (const block of ["a", "b"]) yield* group.store("e1", block)
    group.lose("e1")
    assert.deepEqual(group.holders("a"), ["e2"])
    group.join("e3")
    yield* Effect.yieldNow
    for (const block of ["a", "b"]) assert.deepEqual([...group.known.get(block)!], ["e2", "e3"])
    group.lose("e2")
    assert.deepEqual(yield* group.read("e3", "a"), ["a"])
    assert.deepEqual(group.given.slice(2), ["e2 e3 a", "e2 e3 b"])
  }))

it("what one holds who is to leave is copied to another before, and new blocks go elsewhere", () =>
  Effect.gen(function* () {
    const group = new Group(["e1", "e2", "e3"])
    yield* group.store("e1", "a")
    assert.deepEqual(group.holders("a"), ["e1", "e2"])
    group.tellPeers("e2")
    assert.deepEqual(group.holders("a"), ["e1", "e2", "e3"])
    assert.deepEqual([...group.known.get("a")!], ["e1", "e2", "e3"])
    for (const block of ["b", "c"]) yield* group.store("e1", block)
    assert.deepEqual(["b", "c"].map((block) => group.holders(block)), [["e1", "e3"], ["e1", "e3"]])
    const given = group.given.length
    group.lose("e2")
    assert.equal(group.given.length, given)
    // It changed its mind: what it holds it holds, and nobody copies it again.
    group.tellPeers("e3")
    group.tellPeers()
    assert.equal(group.given.length, given)
  }))

it("what the driver never came to know, or refused, is forgotten by who was given a copy", () =>
  Effect.gen(function* () {
    const group = new Group(["e1", "e2"])
    yield* group.store("e1", "orphan", { report: false })
    yield* group.store("e1", "refused", { report: false })
    group.members.get("e1")!.replicator.discard("refused")
    assert.deepEqual(group.holders("refused"), ["e1"])
    assert.deepEqual(group.holders("orphan"), ["e1", "e2"])
    group.lose("e1")
    assert.deepEqual(group.holders("orphan"), [])
    assert.equal(group.members.get("e2")!.replicator.size(), 0)
  }))

it("who does not answer is waited for until the timeout; what it keeps later is a copy, or is forgotten", () =>
  Effect.gen(function* () {
    const group = new Group(["e1", "e2"])
    const { blocks, replicator } = group.members.get("e1")!
    const handler = blockManagerBased(blocks, "e1", replicator)
    const gate = Deferred.makeUnsafe<void>()
    group.hold = Deferred.await(gate)
    const storing = yield* Effect.forEach(
      ["slow", "done"],
      (block) => Effect.forkChild(handler.store(block, ofRecords([block]), "MEMORY_ONLY_2"), { startImmediately: true })
    )
    yield* TestClock.adjust(29_999)
    assert.deepEqual(storing.map((one) => one.pollUnsafe()), [undefined, undefined])
    yield* TestClock.adjust(1)
    const [slow] = yield* Effect.forEach(storing, Fiber.join)
    assert.deepEqual(slow!.locations, ["e1"])
    assert.match(
      slow!.degraded!,
      /kept by e1 alone, .*no other executor took it within 30000 ms \(blockReplicationTimeout/
    )
    group.known.set("slow", new Set(["e1"]))
    replicator.forget(["done"])
    yield* blocks.remove(["done"])
    yield* Deferred.succeed(gate, undefined)
    yield* Effect.yieldNow
    assert.deepEqual([group.holders("slow"), group.known.get("slow")], [["e1", "e2"], new Set(["e1", "e2"])])
    assert.deepEqual([group.holders("done"), replicator.size()], [[], 1])
    group.lose("e2")
    group.join("e3")
    yield* Effect.yieldNow
    assert.deepEqual(group.holders("slow"), ["e1", "e3"], "the late one was its partner")
  }))

it("a copy that comes after its giver was lost, or after its batch was done, is not left behind", () =>
  Effect.gen(function* () {
    const group = new Group(["e1", "e2"])
    const gate = Deferred.makeUnsafe<void>()
    group.hold = Deferred.await(gate)
    yield* Effect.forkChild(group.store("e1", "late", { report: false }), { startImmediately: true })
    group.lose("e1")
    yield* Deferred.succeed(gate, undefined)
    yield* Effect.yieldNow
    assert.deepEqual(group.holders("late"), [])

    yield* group.store("e2", "done")
    const slow = Deferred.makeUnsafe<void>()
    group.hold = Deferred.await(slow)
    group.join("e3")
    assert.deepEqual(group.given.at(-1), "e2 e3 done")
    group.known.delete("done")
    group.forget("e2", "done")
    yield* Deferred.succeed(slow, undefined)
    yield* Effect.yieldNow
    assert.deepEqual(group.holders("done"), [])
    assert.equal(group.members.get("e3")!.replicator.size(), 0)
  }))

type Action = readonly ["store" | "orphan" | "lose" | "join" | "done", number]

const actions = fc.array(
  fc.tuple(
    fc.constantFrom("store", "store", "orphan", "lose", "join", "done"),
    fc.nat(9)
  ) as fc.Arbitrary<Action>,
  { maxLength: 40 }
)

test("one loss at a time loses nothing, every block is at two executors where there are two, and at none when done", () =>
  fc.assert(fc.asyncProperty(actions, (all) =>
    Effect.runPromise(Effect.gen(function* () {
      const group = new Group(["e1", "e2"])
      const givers = new Map<string, string>()
      const done = new Set<string>()
      let count = 2
      for (const [action, n] of all) {
        const names = [...group.members.keys()]
        const name = names[n % names.length]!
        if (action === "join" && names.length < 4) group.join(`e${++count}`)
        if (action === "lose" && names.length > 1) group.lose(name)
        if (action === "store" || action === "orphan") {
          const block = `b${givers.size}`
          givers.set(block, name)
          yield* group.store(name, block, { report: action === "store" })
        }
        const [oldest] = group.known.keys()
        if (action === "done" && oldest !== undefined) {
          const holders = group.known.get(oldest)!
          group.known.delete(oldest)
          done.add(oldest)
          for (const holder of holders) group.forget(holder, oldest)
        }
        yield* Effect.yieldNow
        const { size } = group.members
        for (const [block, holders] of group.known) {
          assert.deepEqual(group.holders(block), [...group.members.keys()].filter((one) => holders.has(one)))
          assert.ok(holders.size >= Math.min(2, size), `${block} is held by ${[...holders]} of ${size}`)
        }
      }
      for (const [block, giver] of givers) {
        if (done.has(block) || (!group.known.has(block) && !group.members.has(giver))) {
          assert.deepEqual(group.holders(block), [])
        }
      }
    })))))
