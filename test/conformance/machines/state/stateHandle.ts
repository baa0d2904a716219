/** stateHandle: the handle that mapping functions are given. */
import { Effect, Option } from "effect"
import { StateHandle } from "../../../../core/state/State.ts"
import { known } from "../../Vector.ts"
import type { Apply, Machine } from "../machine.ts"

const fails = (read: () => unknown): boolean => {
  try {
    read()
    return false
  } catch {
    return true
  }
}

export const stateHandle: Machine = {
  takes: ["do", "state"],
  observes: ["getFails", "updateFails", "removeFails"],
  open: () =>
    Effect.sync(() => {
      const handle = new StateHandle<unknown>()
      const steps: Readonly<Record<string, Apply>> = {
        new: () => Effect.void,
        wrap: ({ state }) => Effect.sync(() => handle.wrap(state !== null, state ?? undefined)),
        wrapTimingOut: ({ state }) => Effect.sync(() => handle.wrap(true, state, true)),
        wrapTimingOutState: ({ state }) => Effect.sync(() => handle.wrap(true, state, true)),
        update: ({ state }) => Effect.sync(() => handle.update(state)),
        remove: () => Effect.sync(() => handle.remove())
      }
      return (step) =>
        Effect.map(known("step", steps, step.do)(step), () => ({
          expect: {
            exists: handle.exists(),
            option: Option.getOrNull(handle.getOption()),
            isUpdated: handle.isUpdated,
            isRemoved: handle.isRemoved,
            isTimingOut: handle.isTimingOut()
          },
          getFails: fails(() => handle.get()),
          // Asked for only where it is expected, for where it does not fail it changes the handle.
          updateFails: "updateFails" in step && fails(() => handle.update(0)),
          removeFails: "removeFails" in step && fails(() => handle.remove())
        }))
    })
}
