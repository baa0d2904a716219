/**
 * Invariants of tasks and of the executors that run them.
 */
import type { ExecutorId } from "../../../core/protocol/Ids.ts"
import type { Invariant } from "./Invariant.ts"

export const noTaskOnLost: Invariant = {
  name: "no task and no receiver is sent to a lost executor",
  start: () => {
    const lost = new Set<ExecutorId>()
    return (event) => {
      if (event.kind === "ExecutorLost") lost.add(event.executor)
      if (event.kind === "TaskSent" && lost.has(event.executor)) {
        return `task ${event.task} was sent to lost ${event.executor}`
      }
      if (event.kind === "ReceiverOrdered" && lost.has(event.executor)) {
        return `receiver ${event.stream} was sent to lost ${event.executor}`
      }
      return undefined
    }
  }
}

export const lostOnce: Invariant = {
  name: "an executor joins once, is lost at most once, and never returns",
  start: () => {
    const states = new Map<ExecutorId, "joined" | "lost">()
    return (event) => {
      if (event.kind !== "ExecutorJoined" && event.kind !== "ExecutorLost") return undefined
      const expected = event.kind === "ExecutorJoined" ? undefined : "joined"
      const state = states.get(event.executor)
      states.set(event.executor, event.kind === "ExecutorJoined" ? "joined" : "lost")
      return state === expected ? undefined : `${event.kind} of ${event.executor}, which is ${state ?? "unknown"}`
    }
  }
}

export const attemptSentOnce: Invariant = {
  name: "an attempt of a task is sent once",
  start: () => {
    const sent = new Set<string>()
    return (event) => {
      if (event.kind !== "TaskSent") return undefined
      const attempt = `${event.stage} partition ${event.partition} task ${event.task} attempt ${event.attempt}`
      if (sent.has(attempt)) return `${attempt} was sent twice`
      sent.add(attempt)
      return undefined
    }
  }
}

export const plansKnown: Invariant = {
  name: "an executor knows the plan of the batch whose task it is sent",
  start: () => (event) =>
    event.kind === "TaskSent" && !event.plans.includes(event.batch)
      ? `${event.executor} was sent a task of ${event.stage} without the plan of batch ${event.batch}`
      : undefined
}

export const forgottenPlans: Invariant = {
  name: "no plan of a forgotten batch is sent",
  start: () => {
    let forgotten = -Infinity
    return (event) => {
      if (event.kind === "ForgetSent") forgotten = Math.max(forgotten, event.before)
      if (event.kind !== "PlansSent") return undefined
      const old = event.times.find((time) => time < forgotten)
      return old === undefined
        ? undefined
        : `${event.executor} was sent the plan of batch ${old}; before ${forgotten} all is forgotten`
    }
  }
}
