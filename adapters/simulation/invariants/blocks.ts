/**
 * Invariants of received blocks: what becomes of a block that the driver has accepted.
 */
import type { BlockId } from "../../../core/blocks/ReceivedBlock.ts"
import type { ExecutorId, StreamId } from "../../../core/protocol/Ids.ts"
import type { Time } from "../../../core/time/Time.ts"
import { always, type Invariant } from "./Invariant.ts"
import { lifeOfName } from "./Observation.ts"

export const blockInOneBatch: Invariant = {
  name: "every stored block is in exactly one batch, or unallocated",
  across: always,
  start: () => {
    const batchOf = new Map<BlockId, Time | undefined>()
    return (event) => {
      if (event.kind === "BlockAnswered" && event.accepted && !batchOf.has(event.block)) {
        batchOf.set(event.block, undefined)
      }
      if (event.kind !== "BatchAllocated") return undefined
      for (const block of event.blocks) {
        const batch = batchOf.get(block)
        if (batch !== undefined && batch !== event.time) {
          return `block ${block} is in batch ${batch} and in batch ${event.time}`
        }
        batchOf.set(block, event.time)
      }
      return new Set(event.blocks).size < event.blocks.length ? `batch ${event.time} names a block twice` : undefined
    }
  }
}

export const onlyStoredBlocks: Invariant = {
  name: "a batch has only blocks that were answered with Accepted, now or in the end",
  across: always,
  start: () => {
    // A block counts from its log record on; the answer goes out a little later.
    const refused = new Set<BlockId>()
    const allocated = new Set<BlockId>()
    return (event) => {
      if (event.kind === "BatchAllocated") {
        for (const block of event.blocks) {
          if (refused.has(block)) return `block ${block} was refused, and is in batch ${event.time}`
          allocated.add(block)
        }
      }
      if (event.kind !== "BlockAnswered" || event.accepted) return undefined
      if (allocated.has(event.block)) return `block ${event.block} is in a batch, and was refused`
      refused.add(event.block)
      return undefined
    }
  }
}

export const nothingLeftBehind: Invariant = {
  name: "after a graceful stop no stored block is unallocated",
  across: always,
  start: () => {
    const waiting = new Set<BlockId>()
    const answered = new Set<BlockId>()
    const allocated = new Set<BlockId>()
    const logged = new Set<BlockId>()
    let lifeOfLast = 0
    return (event, life) => {
      // What was only in the memory of executors is gone with their driver.
      if (life !== lifeOfLast) { for (const block of waiting) if (!logged.has(block)) waiting.delete(block) }
      lifeOfLast = life
      if (event.kind === "BlockReported" && event.logged) logged.add(event.block)
      if (event.kind === "BlockAnswered" && !answered.has(event.block)) {
        answered.add(event.block)
        if (event.accepted && !event.repeated && !allocated.has(event.block)) waiting.add(event.block)
      }
      if (event.kind === "BatchAllocated") {
        for (const block of event.blocks) {
          waiting.delete(block)
          allocated.add(block)
        }
      }
      return event.kind === "Drained" && waiting.size > 0
        ? `${waiting.size} stored blocks are in no batch: ${[...waiting].slice(0, 5).join(", ")}`
        : undefined
    }
  }
}

export const loggedIsRead: Invariant = {
  name: "a block that is in a log is never read as empty",
  across: always,
  start: ({ damaged }) => {
    const logged = new Set<BlockId>()
    return (event) => {
      if (event.kind === "BlockReported" && event.logged) logged.add(event.block)
      return damaged !== true && event.kind === "BlockIgnored" && logged.has(event.block)
        ? `block ${event.block} of batch ${event.batch} is in a log, and is read as empty`
        : undefined
    }
  }
}

export const readableIsThere: Invariant = {
  name: "a block that a batch is to read is in a log, or was reported to the same driver",
  start: () => {
    const reported = new Set<BlockId>()
    return (event) => {
      if (event.kind === "BlockReported") reported.add(event.block)
      if (event.kind !== "BatchAllocated") return undefined
      const gone = event.unlogged.find((block) => !reported.has(block))
      return gone && `batch ${event.time} is to read block ${gone}, which is in no log, and gone with its driver`
    }
  }
}

export const lossesAreTold: Invariant = {
  name: "a driver that goes on where another stopped tells how many blocks that one had accepted are gone",
  across: ({ changes, damaged }) => changes !== true && damaged !== true,
  start: () => {
    const logged = new Set<BlockId>()
    const allocated = new Set<BlockId>()
    const waiting = new Map<BlockId, { readonly stream: StreamId; readonly life: number }>()
    return (event, life) => {
      if (event.kind === "BlockReported" && event.logged) logged.add(event.block)
      if (event.kind === "BatchAllocated") {
        for (const block of event.blocks) {
          allocated.add(block)
          waiting.delete(block)
        }
      }
      if (event.kind === "BlockAnswered" && event.accepted && !event.repeated) {
        const { block, stream } = event
        if (!logged.has(block) && !allocated.has(block)) waiting.set(block, { stream, life })
      }
      if (event.kind !== "RecoveredFrom") return undefined
      for (const stream of new Set([...waiting.values()].map(({ stream }) => stream))) {
        const gone = [...waiting].filter(([, it]) => it.stream === stream && it.life === life - 1)
        const told = event.lost.find((it) => it.stream === stream)?.blocks ?? 0
        if (told < gone.length) {
          return `driver ${life} tells of ${told} blocks of ${stream}, and these waited: ${
            gone.map(([it]) => it).join()
          }`
        }
      }
      return undefined
    }
  }
}

export const heldTwice: Invariant = {
  name: "a block whose level asks for two holders has two, where another executor has been there for long",
  start: () => (event) =>
    event.kind === "BlockReported" && event.others.length > 0 && new Set(event.holders).size < 2
      ? `block ${event.block} is held by ${event.holders.join()} alone, and ${event.others.join(", ")} was there`
      : undefined
}

export const ignoredIsLost: Invariant = {
  name: "a block is read as empty only when all who held it are dead",
  across: always,
  start: () => {
    const dead = new Set<ExecutorId>()
    const holders = new Map<BlockId, Set<ExecutorId>>()
    /** By driver: what was read as empty stays so, also where an executor says later that it holds it. */
    const ignored = new Set<string>()
    return (event, life) => {
      if (event.kind === "ExecutorDied") dead.add(event.executor)
      if (event.kind === "BlockReported") holders.set(event.block, new Set(event.holders))
      if (event.kind === "BlockHeld") holders.get(event.block)?.add(event.executor)
      if (event.kind !== "BlockIgnored" || ignored.has(`${life} ${event.block}`)) return undefined
      ignored.add(`${life} ${event.block}`)
      // A driver does not know the executors of those before it.
      const alive = [...holders.get(event.block) ?? []].filter((it) => !dead.has(it) && lifeOfName(it) === life)
      return alive.length === 0
        ? undefined
        : `block ${event.block} is read as empty in batch ${event.batch}, and ${alive.join(", ")} holds it`
    }
  }
}

export const forgottenIsGone: Invariant = {
  name: "what an executor was told to forget is gone from its memory",
  start: () => (event) =>
    event.kind === "ExecutorProbed" && event.held
      ? `executor ${event.executor} still holds ${event.forgotten}`
      : undefined
}

/** Batches that may have been under way when a block was accepted, or are run beside the one that has it. */
const laterMax = 4

export const acceptedIsAllocated: Invariant = {
  name: "a block that was accepted is in one of the batches after it",
  start: () => {
    const order = new Map<Time, number>()
    /** How many batches had been submitted when it was accepted. */
    const waiting = new Map<BlockId, number>()
    const allocated = new Set<BlockId>()
    /** Batches whose inputs a driver before this one recorded: they are submitted a few at a time. */
    let recorded: ReadonlySet<Time> = new Set()
    return (event) => {
      if (event.kind === "RecoveredFrom") recorded = new Set(event.pending)
      if (event.kind === "BlockAnswered" && event.accepted && !event.repeated && !allocated.has(event.block)) {
        waiting.set(event.block, order.size)
      }
      if (event.kind === "BatchSubmitted" && !recorded.has(event.time)) order.set(event.time, order.size)
      if (event.kind === "BatchAllocated") {
        for (const block of event.blocks) {
          waiting.delete(block)
          allocated.add(block)
        }
      }
      // What a batch is made of has been sent to an executor before it is done.
      if (event.kind !== "BatchCompleted") return undefined
      const done = order.get(event.time) ?? 0
      const left = [...waiting].find(([, before]) => done >= before + laterMax)
      return left &&
        `block ${left[0]} was accepted, and is in none of the ${done - left[1]} batches after it that are done`
    }
  }
}
