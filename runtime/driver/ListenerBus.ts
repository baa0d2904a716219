/**
 * ListenerBus: tells everybody what happens, in one order.
 *
 * - The engine's own listeners get every event, synchronously, before `post` returns (or, for an event that a listener posts,
 *   before the outer `post` returns). One that throws ends the context: it is our bug.
 * - Users' listeners have a fiber and a bounded queue each, and never slow the engine. What does not fit is lost to that
 *   listener and counted: ListenerEventsDropped tells everybody of the first loss at once, and how many more were lost once
 *   the listener has worked off half its queue. One that throws is reported once and goes on.
 *
 * Source: Spark's `LiveListenerBus` and `AsyncEventQueue`.
 */
import { Cause, Effect, Queue, type Scope } from "effect"
import type { StreamingEvent, StreamingListener } from "../../core/scheduling/StreamingListener.ts"
import type { Fail } from "../Supervisor.ts"
import * as Supervisor from "../Supervisor.ts"

/** Events that may wait for a user's listener. (`spark.scheduler.listenerbus.eventqueue.capacity`) */
export const listenerEventsMaxDefault = 10_000

export interface ListenerOptions {
  /** Shown in warnings; by default `listener-N`. */
  readonly name?: string | undefined
  readonly eventsMax?: number | undefined
}

export interface ListenerBus {
  readonly post: (event: StreamingEvent) => void
  /** Gives a function that removes the listener. */
  readonly addEngineListener: (listener: (event: StreamingEvent) => void) => () => void
  /** Gives the removal, which drops what still waits for the listener. */
  readonly addListener: (
    listener: StreamingListener,
    options?: ListenerOptions
  ) => Effect.Effect<{ readonly remove: Effect.Effect<void> }>
  /** Waits until users' listeners have seen all that was posted: at a stop, under its deadline. */
  readonly flush: Effect.Effect<void>
}

export const make = (fail: Fail<never>): Effect.Effect<ListenerBus, never, Scope.Scope> =>
  Effect.gen(function* () {
    const fork = yield* Supervisor.make(fail)
    const engine = new Set<(event: StreamingEvent) => void>()
    const users = new Set<Subscription>()
    const outbox: Array<StreamingEvent> = []
    let posting = false
    let named = 0
    const tell = (event: StreamingEvent) => {
      for (const listener of engine) {
        try {
          listener(event)
        } catch (error) {
          fail(Cause.die(error))
        }
      }
      for (const user of users) user.offer(event)
    }
    const post = (event: StreamingEvent) => {
      outbox.push(event)
      if (posting) return
      posting = true
      for (let next = outbox.shift(); next !== undefined; next = outbox.shift()) tell(next)
      posting = false
    }
    const addListener = Effect.fnUntraced(function* (listener: StreamingListener, options: ListenerOptions = {}) {
      const name = options.name ?? `listener-${++named}`
      const user = yield* subscribe(listener, name, options.eventsMax ?? listenerEventsMaxDefault, post)
      users.add(user)
      const fiber = fork(user.run)
      const remove = Effect.suspend(() => {
        users.delete(user)
        return Effect.andThen(fiber.cancel, Effect.sync(user.drop))
      })
      return { remove }
    })
    return {
      post,
      addEngineListener: (listener) => {
        engine.add(listener)
        return () => void engine.delete(listener)
      },
      addListener,
      flush: Effect.suspend(() => Effect.forEach([...users], (user) => user.idle, { discard: true }))
    }
  })

/** A user's listener with its queue. */
interface Subscription {
  readonly offer: (event: StreamingEvent) => void
  readonly run: Effect.Effect<never>
  readonly drop: () => void
  readonly idle: Effect.Effect<void>
}

const subscribe = Effect.fnUntraced(function* (
  listener: StreamingListener,
  name: string,
  eventsMax: number,
  post: (event: StreamingEvent) => void
) {
  const queue = yield* Queue.unbounded<StreamingEvent>()
  const waiters: Array<() => void> = []
  let unseen = 0
  let lost = 0
  let losing = false
  let reported = false
  const offer = (event: StreamingEvent) => {
    if (unseen < eventsMax) {
      unseen++
      Queue.offerUnsafe(queue, event)
    } else if (losing) {
      lost++
    } else {
      losing = true
      post({ kind: "ListenerEventsDropped", listener: name, count: 1 })
    }
  }
  const wake = () => {
    for (const waiter of waiters.splice(0)) waiter()
  }
  const seen = () => {
    unseen--
    if (losing && unseen <= eventsMax / 2) {
      const count = lost
      losing = false
      lost = 0
      if (count > 0) post({ kind: "ListenerEventsDropped", listener: name, count })
    }
    if (unseen === 0) wake()
  }
  const call = (event: StreamingEvent) =>
    Effect.suspend(() => {
      const answer = listener(event)
      return Effect.isEffect(answer) ? answer : Effect.void
    })
  const report = (cause: Cause.Cause<unknown>) =>
    Effect.suspend(() => {
      if (reported) return Effect.void
      reported = true
      return Effect.logWarning(
        `the streaming listener ${name} failed and goes on; its further failures are not told`,
        cause
      )
    })
  const run = Effect.gen(function* () {
    while (true) {
      const event = yield* Queue.take(queue)
      yield* Effect.catchCause(call(event), report)
      seen()
    }
  })
  const idle = Effect.callback<void>((resume) => {
    if (unseen === 0) resume(Effect.void)
    else waiters.push(() => resume(Effect.void))
  })
  const subscription: Subscription = { offer, run, drop: wake, idle }
  return subscription
})
