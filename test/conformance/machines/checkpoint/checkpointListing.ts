/**
 * checkpointListing: files and directories come beneath a place, and what of them is a checkpoint is listed, oldest first.
 */
import { Effect } from "effect"
import { memoryStorage } from "../../../../runtime/storage/memoryStorage.ts"
import { known } from "../../Vector.ts"
import type { Apply, Machine } from "../machine.ts"
import { checkpointsOf } from "./driver.ts"
import { inOurNames } from "./sparkNames.ts"

export const checkpointListing: Machine = {
  takes: ["do", "name"],
  open: () =>
    Effect.sync(() => {
      const storage = memoryStorage()
      const given = new Map<string, string>()
      const put = (name: string, beneath = "") => {
        given.set(inOurNames(name), name)
        storage.put(`${inOurNames(name)}${beneath}`, new Uint8Array(1))
      }
      const steps: Readonly<Record<string, Apply>> = {
        createFile: ({ name }) => Effect.sync(() => put(name)),
        // Storage has no directories but those of its files.
        createDirectory: ({ name }) => Effect.sync(() => put(name, "/file")),
        list: () =>
          Effect.map(checkpointsOf(storage), (all) => ({
            expect: all.map(({ name }) => given.get(name)!).toReversed(),
            expectCount: all.length
          }))
      }
      return (step) => known("step", steps, step.do)(step)
    })
}
