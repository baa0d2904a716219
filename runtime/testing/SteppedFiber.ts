/**
 * SteppedFiber: an effect that runs one operation at a time and can be stopped between any two: for tests that let a program die.
 *
 * A step is one turn of one of its fibers: at most one operation of Effect, or what comes after an answer from outside. At its limit it
 * is paused; paused, it goes on when it is resumed, ends with its finalizers when it is interrupted, or is killed: nothing of it ever
 * runs again, as if its process had died. What it asked of the world before that still happens.
 */
import { Deferred, Effect, Exit, type Fiber, type Scheduler } from "effect"

type State = "running" | "paused" | "killed"

/** Operations of a turn: the first resumes the fiber, the second is the one that counts. */
const opsOfTurn = 2

class SteppedScheduler implements Scheduler.Scheduler {
  readonly executionMode = "async" as const
  state: State = "running"
  steps = 0
  limit: number
  private readonly outer: Scheduler.SchedulerDispatcher
  private readonly paused: () => void
  private held: Array<() => void> = []
  private inTurn = false

  constructor(outer: Scheduler.SchedulerDispatcher, limit: number, paused: () => void) {
    this.outer = outer
    this.limit = limit
    this.paused = paused
  }

  /** A fiber that is woken from outside takes its turn as all others do. */
  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return this.state !== "running" || !this.inTurn || fiber.currentOpCount > opsOfTurn
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return {
      scheduleTask: (task, priority) => this.outer.scheduleTask(() => this.turn(task), priority),
      flush: () => this.outer.flush()
    }
  }

  private turn(task: () => void): void {
    if (this.state === "killed") return
    if (this.state === "running" && this.steps >= this.limit) {
      this.state = "paused"
      this.paused()
    }
    if (this.state === "paused") return void this.held.push(task)
    this.steps++
    this.inTurn = true
    try {
      task()
    } finally {
      this.inTurn = false
    }
  }

  resume(limit: number): void {
    if (this.state === "killed") return
    this.limit = limit
    this.state = "running"
    for (const task of this.held.splice(0)) this.outer.scheduleTask(() => this.turn(task), 0)
  }

  kill(): void {
    this.state = "killed"
    this.held = []
  }
}

export interface SteppedFiber<A, E> {
  /** How it ended, or that it is paused. */
  readonly settled: Effect.Effect<Exit.Exit<A, E> | "paused">
  readonly steps: () => number
  /** It goes on until so many steps are done in all. */
  readonly resume: (limit?: number) => void
  readonly kill: () => void
  /** Interrupts it, and waits for its finalizers. */
  readonly interrupt: Effect.Effect<void>
}

/** Begins an effect that pauses when so many steps are done. */
export const begin = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  limit = Infinity
): Effect.Effect<SteppedFiber<A, E>, never, R> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<R>()
    const outer = yield* Effect.withFiber((fiber) => Effect.succeed(fiber.currentDispatcher))
    let settled = Deferred.makeUnsafe<Exit.Exit<A, E> | "paused">()
    const scheduler = new SteppedScheduler(outer, limit, () => Deferred.doneUnsafe(settled, Exit.succeed("paused")))
    const fiber = Effect.runForkWith(context)(effect, { scheduler })
    fiber.addObserver((exit) => Deferred.doneUnsafe(settled, Exit.succeed(exit)))
    const resume = (next = Infinity) => {
      if (scheduler.state === "paused") settled = Deferred.makeUnsafe()
      scheduler.resume(next)
    }
    return {
      settled: Effect.suspend(() => Deferred.await(settled)),
      steps: () => scheduler.steps,
      resume,
      kill: () => scheduler.kill(),
      interrupt: Effect.suspend(() => {
        resume()
        fiber.interruptUnsafe()
        return Effect.asVoid(Deferred.await(settled))
      })
    }
  })
