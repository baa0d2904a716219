/**
 * Invariants of receivers: of all the runs of a receiver, one may store.
 */
import type { ExecutorId, StreamId } from "../../../core/protocol/Ids.ts"
import type { BlockId } from "../../../core/blocks/ReceivedBlock.ts"
import type { Invariant } from "./Invariant.ts"

export const attemptsGrow: Invariant = {
  name: "each order to start a receiver is a new attempt",
  start: () => {
    const last = new Map<StreamId, number>()
    return (event) => {
      if (event.kind !== "ReceiverOrdered") return undefined
      const before = last.get(event.stream)
      last.set(event.stream, event.attempt)
      return before !== undefined && event.attempt <= before
        ? `attempt ${event.attempt} of ${event.stream} was ordered after attempt ${before}`
        : undefined
    }
  }
}

export const oneActiveAttempt: Invariant = {
  name: "only the newest attempt of a receiver is registered, where it was ordered",
  start: () => {
    const newest = new Map<StreamId, { attempt: number; executor: ExecutorId }>()
    return (event) => {
      if (event.kind === "ReceiverOrdered") newest.set(event.stream, event)
      if (event.kind !== "ReceiverAnswered" || !event.accepted) return undefined
      const ordered = newest.get(event.stream)
      return ordered?.attempt === event.attempt && ordered.executor === event.executor
        ? undefined
        : `attempt ${event.attempt} of ${event.stream} was registered at ${event.executor}; ordered was ${
          ordered === undefined ? "none" : `attempt ${ordered.attempt} at ${ordered.executor}`
        }`
    }
  }
}

export const blocksOfRegistered: Invariant = {
  name: "a new block is accepted only of the registered attempt",
  start: () => {
    const registered = new Map<StreamId, number>()
    const known = new Set<BlockId>()
    return (event) => {
      if (event.kind === "ReceiverAnswered" && event.accepted) registered.set(event.stream, event.attempt)
      if (event.kind !== "BlockAnswered" || !event.accepted || known.has(event.block)) return undefined
      known.add(event.block)
      const attempt = registered.get(event.stream)
      return event.attempt === attempt
        ? undefined
        : `block ${event.block} of attempt ${event.attempt} was accepted; registered is ${attempt ?? "none"}`
    }
  }
}

export const sameAnswerAgain: Invariant = {
  name: "the answer to a repeated block is the first answer",
  start: () => {
    const answers = new Map<BlockId, boolean>()
    return (event) => {
      if (event.kind !== "BlockAnswered") return undefined
      const first = answers.get(event.block)
      if (first === undefined) answers.set(event.block, event.accepted)
      return first === undefined || first === event.accepted
        ? undefined
        : `block ${event.block} was ${first ? "accepted" : "refused"} first and ${
          event.accepted ? "accepted" : "refused"
        } then`
    }
  }
}
