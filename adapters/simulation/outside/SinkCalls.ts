/**
 * SinkCalls: what befalls a call of a sink. It takes time on the caller's node and has its effect in the middle of it, so that a death
 * finds it before or after; or whoever makes it dies while it has its effect. Faults: it fails before its effect, or after, or never
 * answers.
 */
import { Effect, Schema } from "effect"
import type { CallMoment, Faults } from "../faults/Faults.ts"
import type { Chance } from "../kernel/Chance.ts"
import type { Node } from "../kernel/Node.ts"
import type { World } from "../kernel/World.ts"

export interface SinkCallsOptions {
  readonly world: World
  readonly chance: Chance
  readonly faults: Faults
  /** Asked at each call: how far it gets before the node that makes it dies, which `dies` does. */
  readonly called: () => CallMoment | undefined
  readonly dies: (node: Node) => void
  /** Whoever waits for an answer that does not come is ended after a while. */
  readonly hangs: (node: Node) => void
}

/** A call failed because the simulation let it: before it had its effect, or after. */
export class SimulatedFailure extends Schema.TaggedError<SimulatedFailure>()("SimulatedFailure", {
  message: Schema.String
}) {}

/** Steps of the world within which a caller dies that dies in the middle of its call. */
const tornStepsMax = 20

export class SinkCalls {
  /** Calls that failed so far. */
  failures = 0
  private readonly options: SinkCallsOptions

  constructor(options: SinkCallsOptions) {
    this.options = options
  }

  call<A, E, R>(node: Node, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | SimulatedFailure, R> {
    const { called, chance, faults, hangs } = this.options
    const pause = Effect.suspend(() => Effect.sleep(chance.below(12) / 4))
    const failure = () => {
      this.failures++
      return Effect.fail(new SimulatedFailure({ message: "the call failed (a simulated fault)" }))
    }
    return Effect.gen({ self: this }, function* () {
      const moment = called()
      if (moment !== undefined) return yield* this.last(node, moment, effect)
      yield* pause
      if (faults.strikes("sinkFailsBefore")) return yield* failure()
      if (faults.strikes("sinkHangs")) {
        if (chance.coin(0.5)) yield* effect
        hangs(node)
        return yield* Effect.never
      }
      const done = yield* effect
      yield* pause
      if (faults.strikes("sinkFailsAfter")) return yield* failure()
      return done
    })
  }

  /** A call of which its node dies. */
  private last<A, E, R>(
    node: Node,
    moment: CallMoment,
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<never, never, R> {
    const { chance, dies, world } = this.options
    return Effect.gen(function* () {
      const die = () => node.state === "Dead" ? undefined : dies(node)
      if (moment === "torn") world.afterSteps(chance.below(tornStepsMax), die)
      if (moment !== "before") yield* Effect.exit(effect)
      die()
      return yield* Effect.never
    })
  }
}
