/**
 * receiverSupervisor: the supervisor of an executor, against a driver that writes down its messages. A receiver registers when
 * it starts, and deregisters when it stops or before it starts anew.
 */
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { ReceiverMessage } from "../../../core/protocol/ExecutorProtocol.ts"
import type { SupervisorHandle } from "../../../runtime/executor/ReceiverSupervisor.ts"
import { recorder, supervised } from "../../receiving/supervised.ts"
import { type Json, known } from "../Vector.ts"
import type { Apply, Machine } from "./machine.ts"

const supervisorCalls: Readonly<Record<string, string>> = {
  RegisterReceiver: "onReceiverStart",
  DeregisterReceiver: "onReceiverStop"
}

export const receiverSupervisor: Machine = {
  takes: ["do", "forms", "message", "delayMs"],
  open: () =>
    Effect.sync(() => {
      const times: Array<readonly [call: string, at: number]> = []
      const note = (call: string) => Effect.map(Clock.currentTimeMillis, (now) => void times.push([call, now]))
      const record = recorder()
      const receiver = {
        ...record.receiver,
        onStart: (store: Json) => Effect.andThen(note("onStart"), record.receiver.onStart(store)),
        onStop: Effect.andThen(note("onStop"), record.receiver.onStop)
      }
      let handle: SupervisorHandle | undefined
      let ended: Fiber.Fiber<void> | undefined
      let messages: ReadonlyArray<ReceiverMessage> = []
      let stored: Effect.Effect<Array<ReadonlyArray<unknown>>, unknown> = Effect.succeed([])
      const given = { list: [{ form: "list" }], iterator: [{ form: "iterator" }] }
      const forms: Readonly<Record<string, () => Effect.Effect<unknown, unknown>>> = {
        "single 1": () => Effect.sync(() => record.store().single(1)),
        bytes: () => record.store().bytes(Uint8Array.of(9)),
        list: () => record.store().array(given.list),
        iterator: () => record.store().iterator(given.iterator.values())
      }
      const steps: Readonly<Record<string, Apply>> = {
        new: () => Effect.void,
        start: Effect.fnUntraced(function* () {
          const started = yield* supervised({ receiver })
          handle = started.handle
          messages = started.messages
          stored = started.stored()
          ended = yield* Effect.forkScoped(started.handle.awaitTermination)
        }),
        store: Effect.fnUntraced(function* (step) {
          for (const form of step.forms) yield* known("form of store", forms, form)()
          yield* TestClock.adjust(1000)
        }),
        reportError: ({ message }) => Effect.sync(() => record.store().reportError(message)),
        restart: Effect.fnUntraced(function* ({ message, delayMs }) {
          record.store().restart(message, undefined, delayMs)
          yield* TestClock.adjust(delayMs)
        }),
        stop: Effect.fnUntraced(function* ({ message }) {
          handle?.stop(message)
          yield* TestClock.adjust(1)
        }),
        stopReceiver: Effect.fnUntraced(function* () {
          handle?.stop("stopped")
          yield* TestClock.adjust(1)
        })
      }
      return Effect.fnUntraced(function* (step) {
        const before = { calls: times.length, messages: messages.length, at: yield* Clock.currentTimeMillis }
        yield* known("step", steps, step.do)(step)
        const since = step.do === "restart" ? before : { calls: 0, messages: 0 }
        const lists = yield* stored
        const registered = messages.flatMap(({ kind }) => supervisorCalls[kind] ?? [])
        const ofDriver = messages.slice(since.messages).flatMap(({ kind }) => supervisorCalls[kind] ?? [])
        const at = (call: string) => times.findLast(([name]) => name === call)?.[1] ?? NaN
        const within = (lists: ReadonlyArray<ReadonlyArray<unknown>>, record: unknown) =>
          lists.filter((list) => list.includes(record)).length
        const elapsed = (yield* Clock.currentTimeMillis) - before.at
        const over = ended?.pollUnsafe() !== undefined
        const isRunning = registered.at(-1) === "onReceiverStart"
        return {
          expect: {
            stored: lists,
            receiverCalls: times.slice(since.calls).map(([call]) => call),
            supervisorCalls: ofDriver,
            started: isRunning,
            stopped: !isRunning,
            receiving: isRunning && !over,
            awaitTerminationReturned: over,
            receiverThreadEnded: record.calls.filter((call) => call === "closed").length === record.stores.length,
            // Bounds: the expected one if it is kept, else what was seen.
            withinMs: Math.max(elapsed, step.expect?.withinMs),
            minMsBetweenStopAndStart: Math.min(at("onStart") - at("onStop"), step.expect?.minMsBetweenStopAndStart),
            errors: messages.filter(({ kind }) => kind === "ReportError").length,
            singles: lists.filter((list) => list.includes(1)).flat(),
            bytes: within(lists, 9),
            lists: lists.filter(([record]) => (record as Json)?.form === "list").length,
            iterators: lists.filter(([record]) => (record as Json)?.form === "iterator").length,
            sameObjects: within(lists, given.list[0]) === 1 && within(lists, given.iterator[0]) === 1
          }
        }
      })
    })
}
