/**
 * Invariants of batches and their jobs: their times, their order, their ends.
 */
import type { Time } from "../../../core/time/Time.ts"
import { CompleteSnapshots } from "./CompleteSnapshots.ts"
import { always, type Invariant } from "./Invariant.ts"

export const timesGrow: Invariant = {
  name: "batch times grow by one interval, or by several where ticks may be passed over",
  start: ({ batchMillis, missedTicks }) => {
    let last: Time | undefined
    return (event) => {
      if (event.kind !== "BatchAllocated") return undefined
      const expected = last === undefined ? event.time : last + batchMillis
      const before = last
      last = event.time
      const fits = missedTicks === "replay" || before === undefined
        ? event.time === expected
        : event.time > before && (event.time - before) % batchMillis === 0
      return fits ? undefined : `batch ${event.time} follows batch ${before}, not ${expected}`
    }
  }
}

export const sameContent: Invariant = {
  name: "a batch is made of the same after a recovery",
  across: ({ changes }) => changes !== true,
  start: () => {
    const contents = new Map<Time, string>()
    return (event) => {
      if (event.kind !== "BatchAllocated") return undefined
      const before = contents.get(event.time) ?? event.contents
      contents.set(event.time, event.contents)
      return before === event.contents ? undefined : `batch ${event.time} was ${before}, and is now ${event.contents}`
    }
  }
}

export const shownAsItIs: Invariant = {
  name: "what is shown to have come into a batch is what it is made of, also when it runs again",
  start: () => {
    const made = new Map<Time, string>()
    const shown = new Map<Time, string>()
    return (event) => {
      if (event.kind !== "BatchAllocated" && event.kind !== "BatchSubmitted") return undefined
      const { time } = event
      const records = event.records.map(({ records, stream }) => `${records} of ${stream}`).join(", ")
      if (event.kind === "BatchAllocated") made.set(time, records)
      else shown.set(time, records)
      return made.has(time) && shown.has(time) && made.get(time) !== shown.get(time)
        ? `batch ${time} is made of ${made.get(time)}, and is shown with ${shown.get(time) || "nothing"}`
        : undefined
    }
  }
}

export const noTickLost: Invariant = {
  name: "a driver that goes on where another stopped leaves out no batch in between",
  across: always,
  start: ({ batchMillis, missedTicks }) => {
    let last = -Infinity
    let lifeOfLast: number | undefined
    return (event, life) => {
      if (event.kind !== "BatchAllocated" || missedTicks !== "replay") return undefined
      const before = last
      const isFirst = lifeOfLast !== undefined && life !== lifeOfLast
      last = Math.max(last, event.time)
      lifeOfLast = life
      return isFirst && event.time > before + batchMillis
        ? `driver ${life} began with batch ${event.time}, and the last one before was ${before}`
        : undefined
    }
  }
}

export const submittedOnce: Invariant = {
  name: "a batch is submitted once by a driver",
  start: () => {
    const submitted = new Set<Time>()
    return (event) => {
      if (event.kind !== "BatchSubmitted") return undefined
      if (submitted.has(event.time)) return `batch ${event.time} was submitted twice`
      submitted.add(event.time)
      return undefined
    }
  }
}

const jobKey = (event: { readonly time: Time; readonly output: string }): string => `${event.time} ${event.output}`

export const concurrentJobs: Invariant = {
  name: "no more jobs run at once than concurrentJobs allows",
  start: (facts) => {
    const running = new Set<string>()
    return (event) => {
      if (event.kind === "JobEnded") running.delete(jobKey(event))
      if (event.kind !== "JobStarted") return undefined
      running.add(jobKey(event))
      return running.size > facts.concurrentJobs ? `${running.size} jobs run: ${[...running].join(", ")}` : undefined
    }
  }
}

export const jobsInOrder: Invariant = {
  name: "jobs start in order of their batches",
  start: () => {
    let last = -Infinity
    return (event) => {
      if (event.kind !== "JobStarted") return undefined
      const before = last
      last = Math.max(last, event.time)
      return event.time < before ? `a job of batch ${event.time} started after one of batch ${before}` : undefined
    }
  }
}

export const jobsEndOnce: Invariant = {
  name: "each job starts once and ends once",
  start: () => {
    const states = new Map<string, "running" | "ended">()
    return (event) => {
      if (event.kind !== "JobStarted" && event.kind !== "JobEnded") return undefined
      const key = jobKey(event)
      const expected = event.kind === "JobStarted" ? undefined : "running"
      const state = states.get(key)
      states.set(key, event.kind === "JobStarted" ? "running" : "ended")
      return state === expected ? undefined : `${event.kind} of job ${key}, which is ${state ?? "not started"}`
    }
  }
}

export const completedAfterJobs: Invariant = {
  name: "a batch is completed when all its jobs have ended, and not before",
  start: () => {
    const open = new Map<Time, Set<string>>()
    return (event) => {
      if (event.kind === "BatchSubmitted" && !open.has(event.time)) open.set(event.time, new Set(event.outputs))
      if (event.kind === "JobEnded") open.get(event.time)?.delete(event.output)
      if (event.kind !== "BatchCompleted") return undefined
      const left = open.get(event.time)
      return left === undefined || left.size > 0
        ? `batch ${event.time} is completed without ${left === undefined ? "being submitted" : [...left].join(", ")}`
        : undefined
    }
  }
}

export const submittedEnds: Invariant = {
  name: "after a graceful stop every submitted batch is completed, once",
  start: () => {
    const completions = new Map<Time, number>()
    return (event) => {
      if (event.kind === "BatchSubmitted" && !completions.has(event.time)) completions.set(event.time, 0)
      if (event.kind === "BatchCompleted") completions.set(event.time, (completions.get(event.time) ?? 0) + 1)
      const twice = event.kind === "BatchCompleted" && completions.get(event.time)! > 1
      if (twice) return `batch ${event.time} is completed twice`
      if (event.kind !== "Drained") return undefined
      const left = [...completions].filter(([, count]) => count === 0).map(([time]) => time)
      return left.length === 0 ? undefined : `batches ${left.join(", ")} never ended`
    }
  }
}

export const doneIsForgotten: Invariant = {
  name: "after a graceful stop executors were told to forget all batches but those that are still remembered",
  across: always,
  start: ({ rememberMillis, snapshotsMax, states }) => {
    let last: Time | undefined
    let forgotten = -Infinity
    const snapshots = new CompleteSnapshots(states)
    let needlessBefore = snapshots.before(snapshotsMax)
    return (event) => {
      snapshots.see(event)
      if (event.kind === "ForgetSent") needlessBefore = snapshots.before(snapshotsMax)
      if (event.kind === "BatchCompleted") last = Math.max(last ?? event.time, event.time)
      if (event.kind === "ForgetSent") forgotten = Math.max(forgotten, event.before)
      if (event.kind !== "Drained" || last === undefined) return undefined
      // Batches ahead of a clock that was set back are forgotten when it has passed them.
      return forgotten < Math.min(last, needlessBefore, event.now) - rememberMillis
        ? `batch ${last} is done, and executors were told to forget only what is before ${forgotten}`
        : undefined
    }
  }
}
