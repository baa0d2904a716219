/** recurringTimer: the driver's timer on the virtual clock. */
import { Cause, Effect } from "effect"
import { TestClock } from "effect/testing"
import { timesUntil } from "../../../core/time/Interval.ts"
import * as RecurringTimer from "../../../runtime/driver/RecurringTimer.ts"
import { known } from "../Vector.ts"
import type { Apply, Machine } from "./machine.ts"

export const recurringTimer: Machine = {
  takes: ["do", "atMs", "ms", "interrupt"],
  open: Effect.fnUntraced(function* ({ periodMs, clockMs = 0 }) {
    const calls: Array<number> = []
    yield* TestClock.setTime(clockMs)
    const callbacks = {
      ticked: (first: number, last: number) => void calls.push(...timesUntil(first, last + 1, periodMs)),
      setBack: () => {}
    }
    const timer = yield* RecurringTimer.make(periodMs, callbacks, (cause) => {
      throw Cause.squash(cause)
    })
    const steps: Readonly<Record<string, Apply>> = {
      start: ({ atMs }) => Effect.andThen(Effect.sync(() => timer.start(atMs)), TestClock.adjust(0)),
      advance: ({ ms }) => TestClock.adjust(ms),
      stop: () => timer.stop
    }
    return (step) =>
      Effect.map(known("step", steps, step.do)(step), () => ({
        expectCalls: calls.slice(),
        expectLast: calls.at(-1)
      }))
  })
}
