/**
 * EventLoop: the one owner of a pure machine: takes events in the order in which they were posted, steps, performs the commands.
 *
 * `post` is synchronous and may be called from anywhere in the node, also while a command is performed. A command is performed
 * at once if it is a plain function's work, and awaited before the next if it is an Effect; what takes long is forked by
 * whoever performs it, and answers with an event. If the step or a command throws or dies, the context ends with the cause.
 * After the scope has closed, posts are ignored. Source: Spark's `EventLoop`.
 */
import { Cause, Effect, Queue, type Scope } from "effect"
import type { Fail } from "../Supervisor.ts"
import * as Supervisor from "../Supervisor.ts"

/** Events that may wait. Each machine bounds its own; to get here, something is broken. */
export const waitingEventsMax = 1_000_000

export interface EventLoop<State, Event> {
  readonly post: (event: Event) => void
  /** The state after the last step. */
  readonly state: () => State
}

export interface Machine<State, Event, Command> {
  readonly name: string
  readonly initial: State
  readonly step: (state: State, event: Event) => readonly [State, ReadonlyArray<Command>]
  readonly perform: (command: Command) => Effect.Effect<void> | void
}

export const make = <State, Event, Command>(
  machine: Machine<State, Event, Command>,
  fail: Fail<never>
): Effect.Effect<EventLoop<State, Event>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const queue = yield* Queue.unbounded<Event>()
    let state = machine.initial
    let closed = false
    const handle = Effect.fnUntraced(function* (event: Event) {
      const [next, commands] = machine.step(state, event)
      state = next
      for (const command of commands) {
        const effect = machine.perform(command)
        if (effect !== undefined) yield* effect
      }
    })
    const run = Effect.gen(function* () {
      while (true) {
        for (const event of yield* Queue.takeAll(queue)) yield* handle(event)
      }
    })
    const fork = yield* Supervisor.make(fail)
    yield* Effect.addFinalizer(() => Effect.sync(() => closed = true))
    fork(run)
    const post = (event: Event) => {
      if (closed) return
      if (Queue.sizeUnsafe(queue) < waitingEventsMax) return void Queue.offerUnsafe(queue, event)
      fail(Cause.die(new Error(`${machine.name} has ${waitingEventsMax} events waiting: its loop does not go on`)))
    }
    return { post, state: () => state }
  })
