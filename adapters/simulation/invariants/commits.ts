/**
 * Invariants of sinks: what a target is given.
 */
import type { Time } from "../../../core/time/Time.ts"
import { always, type Invariant } from "./Invariant.ts"

export const commitsInOrder: Invariant = {
  name: "the batches of an output are committed in order",
  across: always,
  start: () => {
    const last = new Map<string, Time>()
    return (event) => {
      if (event.kind !== "Committed" || event.before !== undefined) return undefined
      const of = `${event.output} ${event.partition ?? ""}`
      const before = last.get(of) ?? -Infinity
      last.set(of, event.time)
      return event.time > before ? undefined : `batch ${event.time} of ${of} was committed after batch ${before}`
    }
  }
}

export const commitsAreTheSame: Invariant = {
  name: "a batch that is committed again is what it was",
  across: always,
  start: () => {
    let lostFrom = Infinity
    return (event) => {
      // Blocks that were in no log are gone with their executors.
      if (event.kind === "BlockIgnored") lostFrom = Math.min(lostFrom, event.batch)
      if (event.kind !== "Committed" || event.before === undefined || event.time >= lostFrom) return undefined
      return event.before === event.contents
        ? undefined
        : `batch ${event.time} of ${event.output} was ${event.before}, and is committed again as ${event.contents}`
    }
  }
}
