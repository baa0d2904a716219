/**
 * ExecutorSlots: keeps so many executors alive over some way of launching one: the common part of placements.
 *
 * Each slot has one executor at a time:
 *
 * | state | event | what happens |
 * | --- | --- | --- |
 * | starting | ExecutorReady | peers are introduced, ExecutorJoined, the slot is up |
 * | starting | it dies | once more after a back-off that doubles; `startFailuresMax` in a row before the slot was ever up end `start` |
 * | starting | ExecutorRefused | `start` ends with the difference; a replacement that is refused is told, and its slot stays empty |
 * | up, for `livedMillis` | it dies | ExecutorLost, peers are told, a new executor with a new id starts; failures count from zero |
 * | up, not for so long | it dies | the same after a back-off that doubles, without limit |
 * | any | StopExecutor was sent to it | when it ends, nothing is lost and nothing replaced |
 * | any | `remove` | ExecutorLost, peers are told, both at once; it is ended as when the scope closes, and the slot with it |
 * | there is none | `request` | a slot more, until there are so many; should its executor not start, it is told and the slot is given up |
 *
 * An executor is dead when its launcher says so, never for silence. What an executor says after its end is dropped; what was
 * said before is handed over before its loss is told. Closing the scope ends all executors at the same time.
 */
import { Cause, Clock, Deferred, Effect, Exit, FiberSet, Scope } from "effect"
import { uptimeMillis } from "../../core/time/Uptime.ts"
import type { ToDriver, ToExecutor } from "../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorId } from "../../core/protocol/Ids.ts"
import { type ExecutorInfo, type Executors, PlacementError, type PlacementEvent } from "./Placement.ts"

/** An executor under way. */
export interface Launched {
  readonly send: (message: ToExecutor) => void
  /** Ends when the executor is dead, with the reason. All that it said has been received by then. */
  readonly died: Effect.Effect<string>
}

export interface Launcher {
  /** Launches an executor; when the scope closes it has to end. */
  readonly launch: (
    info: ExecutorInfo,
    receive: (message: ToDriver) => void
  ) => Effect.Effect<Launched, PlacementError, Scope.Scope>
  readonly host: string
  /** Makes ways between a new executor and all others. */
  readonly joined: (executor: ExecutorId) => void
  /** Tells the others that it is gone. */
  readonly lost: (executor: ExecutorId) => void
}

export interface SlotOptions {
  readonly size: number
  /** Deaths before a slot was ever up, one after the other, after which `start` gives up. 3. */
  readonly startFailuresMax?: number | undefined
  /** Pause after the first early death; it doubles with each. 100 ms. */
  readonly backOffMillis?: number | undefined
  /** The longest pause. 10 s. */
  readonly backOffMillisMax?: number | undefined
  /** An executor that was up for so long has not died early. 10 s. */
  readonly livedMillis?: number | undefined
  /** After this long without a word from an executor that starts, a warning names it. 10 s. */
  readonly slowStartMillis?: number | undefined
}

interface Member {
  readonly info: ExecutorInfo
  readonly slot: Up
  launched: Launched | undefined
  /** What came before `launched` was known. */
  early: Array<ToDriver>
  joined: boolean
  /** When it was ready. */
  since: number
  stopping: boolean
  over: boolean
  /** Completed by what is not its death. */
  readonly ended: Deferred.Deferred<End>
}

type End = { readonly kind: "died" | "refused" | "removed"; readonly reason: string }

type Up = Deferred.Deferred<void, PlacementError>

export const start = Effect.fnUntraced(function* (
  launcher: Launcher,
  options: SlotOptions,
  receive: (event: PlacementEvent) => void
): Effect.fn.Return<Executors, PlacementError, Scope.Scope> {
  const { startFailuresMax = 3, backOffMillis = 100, backOffMillisMax = 10_000 } = options
  const { livedMillis = 10_000, slowStartMillis = 10_000 } = options
  const clock = yield* Clock.Clock
  const fork = yield* FiberSet.makeRuntime()
  const members = new Map<ExecutorId, Member>()
  let started = 0
  const slots = new Set<Up>()

  /** One executor from launch to end. */
  const live = Effect.fnUntraced(function* (member: Member, up: () => void) {
    const { executor } = member.info
    const ready = Deferred.makeUnsafe<void>()
    const hear = (message: ToDriver) => {
      if (member.over) return
      if (member.launched === undefined) return void member.early.push(message)
      if (message.kind === "ExecutorReady" && !member.joined) {
        member.joined = true
        member.since = uptimeMillis(clock)
        launcher.joined(executor)
        receive({ kind: "ExecutorJoined", info: member.info })
      }
      receive({ kind: "FromExecutor", executor, message })
      // Whoever waits is resumed here and now: so this comes last.
      if (message.kind === "ExecutorReady") {
        Deferred.doneUnsafe(ready, Exit.void)
        up()
      }
      if (message.kind === "ExecutorRefused") {
        Deferred.doneUnsafe(member.ended, Exit.succeed({ kind: "refused", reason: message.difference }))
      }
    }
    member.launched = yield* launcher.launch(member.info, hear)
    const early = member.early
    member.early = []
    early.forEach(hear)
    yield* Effect.forkScoped(warnIfSlow(executor, Deferred.await(ready), slowStartMillis))
    const died = Effect.map(member.launched.died, (reason): End => ({ kind: "died", reason }))
    return yield* Effect.raceFirst(Deferred.await(member.ended), died)
  })

  const bury = (member: Member, reason: string) => {
    const { executor } = member.info
    if (member.over) return
    member.over = true
    members.delete(executor)
    if (!member.joined) return
    launcher.lost(executor)
    if (member.stopping) return
    receive({ kind: "ExecutorLost", executor, reason })
  }

  const slot = Effect.fnUntraced(function* (up: Up) {
    let failures = 0
    let wasUp = false
    while (true) {
      const info = { executor: `executor-${++started}`, host: launcher.host }
      const member = memberOf(info, up)
      members.set(info.executor, member)
      const end = yield* live(member, () => {
        wasUp = true
        Deferred.doneUnsafe(up, Exit.void)
      }).pipe(Effect.scoped, Effect.catchCause(deathOf))
      bury(member, end.reason)
      if (member.stopping || end.kind === "removed") return
      if (end.kind === "refused") return yield* Deferred.fail(up, refusal(end.reason))
      const lived = member.joined ? Math.round(uptimeMillis(clock) - member.since) : undefined
      failures = lived !== undefined && lived >= livedMillis ? 0 : failures + 1
      if (!wasUp && failures >= startFailuresMax) return yield* Deferred.fail(up, noStart(failures, end.reason))
      if (failures > 0) {
        const when = lived === undefined ? "before it was ready" : `${lived} ms after it was ready`
        yield* Effect.logWarning(`${info.executor} died ${when}: ${end.reason}`)
        yield* Effect.sleep(Math.min(backOffMillisMax, backOffMillis * 2 ** (failures - 1)))
      }
    }
  })

  /** A slot more; fails if its executor does not start. */
  const open = (): Effect.Effect<void, PlacementError> => {
    const up: Up = Deferred.makeUnsafe()
    slots.add(up)
    fork(Effect.ensuring(slot(up), Effect.sync(() => slots.delete(up))))
    return Deferred.await(up)
  }

  const ups = Array.from({ length: options.size }, open)
  yield* Effect.all(ups, { concurrency: "unbounded", discard: true })
  return {
    send: (executor, message) => {
      const member = members.get(executor)
      if (member === undefined) return
      if (message.kind === "StopExecutor") member.stopping = true
      member.launched?.send(message)
    },
    request: (total) => {
      for (let missing = total - slots.size; missing > 0; missing--) fork(Effect.catch(open(), notStarted))
    },
    remove: (executor) => {
      const member = members.get(executor)
      if (member === undefined) return
      const reason = "removed"
      slots.delete(member.slot)
      bury(member, reason)
      Deferred.doneUnsafe(member.ended, Exit.succeed({ kind: "removed", reason }))
    }
  }
})

const memberOf = (info: ExecutorInfo, slot: Up): Member => ({
  info,
  slot,
  launched: undefined,
  early: [],
  joined: false,
  since: 0,
  stopping: false,
  over: false,
  ended: Deferred.makeUnsafe()
})

/** A launch that fails, or dies of a defect, is a death like any other; an interruption is none. */
const deathOf = (cause: Cause.Cause<PlacementError>): Effect.Effect<End> =>
  Cause.hasInterruptsOnly(cause)
    ? Effect.interrupt
    : Effect.succeed({ kind: "died", reason: Cause.prettyErrors(cause).map((error) => error.message).join("; ") })

/** For finalizers: waits for an end, but no longer than `millis`. */
export const awaitEnd = (ended: Effect.Effect<unknown>, millis: number): Effect.Effect<boolean> =>
  Effect.raceFirst(
    Effect.interruptible(Effect.as(ended, true)),
    Effect.interruptible(Effect.as(Effect.sleep(millis), false))
  )

const warnIfSlow = (executor: ExecutorId, ready: Effect.Effect<void>, slowStartMillis: number) =>
  Effect.logWarning(
    `${executor} is not ready after ${slowStartMillis} ms: is the program's module still loading, or building its layer?`
  ).pipe(Effect.delay(slowStartMillis), Effect.raceFirst(ready))

const refusal = (difference: string) =>
  new PlacementError({ message: `an executor's program differs from the driver's: ${difference}` })

const notStarted = ({ message }: PlacementError) =>
  Effect.logWarning(`an executor that was requested is not there: ${message}`)

const noStart = (times: number, reason: string) =>
  new PlacementError({
    message: `an executor died at its start ${times} times in a row, the last time because: ${reason}`
  })
