/**
 * Invariants of states, their versions and their snapshots.
 */
import type { BlockId } from "../../../core/blocks/ReceivedBlock.ts"
import type { ExecutorId, StreamId } from "../../../core/protocol/Ids.ts"
import type { Time } from "../../../core/time/Time.ts"
import { CompleteSnapshots } from "./CompleteSnapshots.ts"
import { always, type Invariant } from "./Invariant.ts"

const partitionOf = (event: { readonly operator: StreamId; readonly partition: number }) =>
  `partition ${event.partition} of ${event.operator}`

export const stepsInOrder: Invariant = {
  name: "each version of a state is made of the last version before it, however often it is made",
  across: always,
  start: () => {
    const madeOf = new Map<string, Map<Time, Time | undefined>>()
    const restored = new Map<string, Set<Time>>()
    return (event) => {
      // A version may have been made by a driver that had lost its place, and was still read by the next one.
      if (event.kind === "StateRestored") {
        restored.set(partitionOf(event), (restored.get(partitionOf(event)) ?? new Set()).add(event.version))
      }
      if (event.kind !== "StateStepped") return undefined
      const { from, to } = event
      const versions = madeOf.get(partitionOf(event)) ?? new Map<Time, Time | undefined>()
      madeOf.set(partitionOf(event), versions)
      const expected = versions.has(to)
        ? versions.get(to)
        : [...versions.keys(), ...restored.get(partitionOf(event)) ?? []].filter((it) => it < to).sort((a, b) => a - b)
          .at(-1)
      versions.set(to, from)
      return from === expected
        ? undefined
        : `version ${to} of ${partitionOf(event)} was made of ${from} at ${event.executor}, not of ${expected}`
    }
  }
}

export const stepsOnce: Invariant = {
  name: "a store takes a step once, and only forward",
  start: () => {
    const versions = new Map<number, Time>()
    return (event) => {
      if (event.kind !== "StateStepped" && event.kind !== "StateRestored") return undefined
      const to = event.kind === "StateStepped" ? event.to : event.version
      const before = versions.get(event.store) ?? -Infinity
      versions.set(event.store, to)
      return to > before ? undefined : `store ${event.store} of ${partitionOf(event)} went from ${before} to ${to}`
    }
  }
}

export const madeOnce: Invariant = {
  name: "a version is made again only after whoever made it has died, has let it go, or was told to forget it",
  start: () => {
    const dead = new Set<ExecutorId>()
    const makers = new Map<string, ExecutorId>()
    const released = new Set<string>()
    const forgotten = new Map<string, Time>()
    return (event) => {
      if (event.kind === "ExecutorDied") dead.add(event.executor)
      if (event.kind === "StateReleased") released.add(`${partitionOf(event)} at ${event.executor}`)
      if (event.kind === "StateForgot") forgotten.set(`${partitionOf(event)} at ${event.executor}`, event.before)
      // One that was given up may go on for a while: nobody reads what it makes.
      if (event.kind !== "StateStepped" || dead.has(event.executor)) return undefined
      const version = `version ${event.to} of ${partitionOf(event)}`
      const maker = makers.get(version)
      makers.set(version, event.executor)
      const there = `${partitionOf(event)} at ${maker}`
      return maker === undefined || dead.has(maker) || released.has(there) || event.to < (forgotten.get(there) ?? 0)
        ? undefined
        : `${version} was made at ${event.executor}, and before at ${maker}, which lives`
    }
  }
}

export const versionsStay: Invariant = {
  name: "what a version shows is the same whoever reads it, also when it was made again",
  across: ({ changes }) => changes !== true,
  start: () => {
    const shown = new Map<string, string>()
    let lostFrom = Infinity
    return (event) => {
      // What was made before a loss has the block, and what is made after it has not.
      if (event.kind === "BlockIgnored") lostFrom = Math.min(lostFrom, event.batch)
      if (event.kind !== "StateRead" || event.version >= lostFrom) return undefined
      const version = `version ${event.version} of ${partitionOf(event)}, ${event.view},`
      const before = shown.get(version) ?? event.shown
      shown.set(version, event.shown)
      return before === event.shown ? undefined : `${version} shows something else at ${event.executor} than before`
    }
  }
}

export const snapshotsStay: Invariant = {
  name: "a snapshot is removed only when two complete ones are newer than it, or as new",
  across: always,
  start: ({ recovers, states }) => {
    const snapshots = new CompleteSnapshots(states)
    return (event) => {
      snapshots.see(event)
      // With checkpoints they say what has to stay (see `places`).
      return recovers !== true && event.kind === "SnapshotRemoved" && event.time >= snapshots.lastButOne(event.operator)
        ? `snapshot ${event.time} of ${partitionOf(event)} was removed`
        : undefined
    }
  }
}

export const chainsStay: Invariant = {
  name: "a file is removed only when neither of the last two complete snapshots builds on it",
  start: ({ recovers }) => {
    const complete = new Map<StreamId, Map<Time, ReadonlyArray<string>>>()
    return (event) => {
      if (event.kind === "SnapshotCompleted") {
        const times = complete.get(event.operator) ?? new Map<Time, ReadonlyArray<string>>()
        complete.set(event.operator, times.set(event.time, event.files.flat()))
      }
      if (event.kind !== "SnapshotRemoved" || recovers === true) return undefined
      const last = [...complete.get(event.operator) ?? []].sort(([a], [b]) => b - a).slice(0, 2)
      const user = last.find(([, files]) => files.includes(event.file))
      return user && `${event.file} was removed, and snapshot ${user[0]} of ${event.operator} builds on it`
    }
  }
}

export const neededStays: Invariant = {
  name: "no plan and no block is forgotten of which a state may have to be made again",
  across: always,
  start: ({ states }) => {
    const snapshots = new CompleteSnapshots(states)
    const batches = new Set<Time>()
    const batchOf = new Map<BlockId, Time>()
    return (event) => {
      snapshots.see(event)
      if (event.kind === "BatchAllocated") {
        batches.add(event.time)
        for (const block of event.blocks) batchOf.set(block, event.time)
      }
      if (event.kind !== "ForgetSent") return undefined
      const from = snapshots.neededFrom
      const batch = [...batches].find((time) => time >= from && time < event.before)
      if (batch !== undefined) {
        return `batch ${batch} was forgotten with all before ${event.before}, needed from ${from} on`
      }
      const block = event.blocks.find((it) => batchOf.has(it) && batchOf.get(it)! >= from)
      return block && `block ${block} of batch ${batchOf.get(block)} was forgotten, needed from ${from} on`
    }
  }
}

export const versionsAreForgotten: Invariant = {
  name: "a store holds its newest version, and others only while they may be asked for",
  start: () => (event) => {
    if (event.kind !== "StateForgot") return undefined
    const old = event.held.slice(0, -1).find((version) => version < event.before)
    return old === undefined
      ? undefined
      : `store ${event.store} of ${partitionOf(event)} at ${event.executor} holds ${old}; ${event.before} was told`
  }
}

/** How often a store may be told to forget before it is gone itself. */
const forgetsMax = 2

export const storesAreForgotten: Invariant = {
  name: "a store that others have left behind is dropped",
  start: () => {
    const newest = new Map<string, Time>()
    const told = new Map<number, number>()
    return (event) => {
      if (event.kind === "StateStepped") {
        newest.set(partitionOf(event), Math.max(event.to, newest.get(partitionOf(event)) ?? event.to))
      }
      if (event.kind !== "StateForgot") return undefined
      const { before, executor, held, store } = event
      const own = held.at(-1) ?? -Infinity
      const other = newest.get(partitionOf(event)) ?? -Infinity
      if (other <= own || other >= before) return undefined
      const times = (told.get(store) ?? 0) + 1
      told.set(store, times)
      return times <= forgetsMax
        ? undefined
        : `store ${store} of ${partitionOf(event)} at ${executor} has version ${own}, and elsewhere ${other} was made`
    }
  }
}
