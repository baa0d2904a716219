/**
 * checkpointReader: a driver's choice among the checkpoints of a place. Each step is a place of its own.
 */
import { Effect } from "effect"
import { memoryStorage } from "../../../../runtime/storage/memoryStorage.ts"
import * as recovery from "../../../../runtime/driver/checkpoint/recover.ts"
import type { Json } from "../../Vector.ts"
import type { Machine } from "../machine.ts"
import { checkpointsOf, contentOf, note, openDriver, reading } from "./driver.ts"
import { inOurNames } from "./sparkNames.ts"

/** A checkpoint as a driver writes it, of a state that is told by its content. */
const valid = Effect.fnUntraced(function* (content: string) {
  const storage = memoryStorage()
  const driver = yield* openDriver({ storage, streams: ["input"] })
  yield* note(driver, content, 1)
  yield* driver.writer.checkpoint(1000)
  const [newest] = yield* checkpointsOf(storage)
  return (yield* storage.read(newest!.name))!
}, Effect.scoped)

const bytesOf = (content: string) =>
  content.startsWith("valid") ? valid(content) : Effect.succeed(new TextEncoder().encode(content))

export const checkpointReader: Machine = {
  // To ignore an error is to catch it, as with any Effect.
  takes: ["files", "ignoreErrors"],
  open: () =>
    Effect.succeed(Effect.fnUntraced(function* ({ files, ignoreErrors = false }: Json) {
      const storage = memoryStorage()
      for (const [name, content] of Object.entries<string>(files)) {
        storage.put(inOurNames(name), yield* bytesOf(content))
      }
      const { chosen } = yield* recovery.choose(reading(storage)).pipe(
        Effect.catchTag("NoUsableCheckpoint", (error) =>
          ignoreErrors ? Effect.succeed({ chosen: undefined }) : Effect.fail(error))
      )
      return { expect: chosen === undefined ? undefined : contentOf(chosen.checkpoint) }
    }))
}
