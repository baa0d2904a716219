/** blockGenerator: the generator of an executor's receiver, on the virtual clock. */
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { recordsOf } from "../../../core/blocks/BlockContents.ts"
import type { GeneratedBlock } from "../../../core/receiving/BlockGenerator.ts"
import { defaults } from "../../../core/receiving/ReceivingSettings.ts"
import * as BlockGenerator from "../../../runtime/executor/BlockGenerator.ts"
import { known } from "../Vector.ts"
import type { Apply, Machine } from "./machine.ts"

export const blockGenerator: Machine = {
  takes: ["do", "data", "ms", "whileTicking"],
  open: Effect.fnUntraced(function* ({ blockIntervalMs, receiver, clockMs = 0 }) {
    yield* TestClock.setTime(clockMs)
    const pushed: Array<GeneratedBlock> = []
    const generator = yield* BlockGenerator.make({
      stream: String(receiver),
      settings: { ...defaults, blockIntervalMillis: blockIntervalMs },
      rateLimit: undefined,
      push: (block) => Effect.sync(() => void pushed.push(block))
    })
    let running: Fiber.Fiber<never> | undefined
    let stopped = false
    const steps: Readonly<Record<string, Apply>> = {
      new: () => Effect.void,
      start: Effect.fnUntraced(function* () {
        running = yield* Effect.forkScoped(generator.run)
        yield* TestClock.adjust(0)
      }),
      add: ({ data }) => Effect.sync(() => data.forEach(generator.single)),
      tick: ({ ms }) => TestClock.adjust(ms),
      stop: Effect.fnUntraced(function* ({ whileTicking = 0 }) {
        const stopping = yield* Effect.forkChild(generator.stop)
        yield* TestClock.adjust(whileTicking)
        yield* Fiber.join(stopping)
        stopped = true
      })
    }
    return (step) =>
      Effect.map(known("step", steps, step.do)(step), () => ({
        expect: {
          active: running !== undefined && !stopped,
          stopped,
          pushed: pushed.flatMap(({ contents }) => recordsOf(contents, undefined)),
          generatedBlocks: pushed.map(({ intervalStart }) => `input-${receiver}-${intervalStart}`)
        }
      }))
  })
}
