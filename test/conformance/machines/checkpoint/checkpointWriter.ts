/**
 * checkpointWriter: the driver's, which keeps two checkpoints. The one that a driver begins with is of no batch, and not told.
 */
import { Effect, Result } from "effect"
import * as CheckpointFile from "../../../../core/checkpoint/CheckpointFile.ts"
import { memoryStorage } from "../../../../runtime/storage/memoryStorage.ts"
import { known, Mismatch } from "../../Vector.ts"
import type { Apply, Machine } from "../machine.ts"
import { checkpointsOf, contentOf, note, openDriver, reading } from "./driver.ts"
import { inSparkNames } from "./sparkNames.ts"

export const checkpointWriter: Machine = {
  takes: ["do", "timeMs", "content", "clearCheckpointDataLater"],
  open: Effect.fnUntraced(function* () {
    const storage = memoryStorage()
    const { checksum, codec } = reading(storage)
    const driver = yield* openDriver({ storage, streams: ["input"], settings: { checkpointsKept: 2 } })
    let writes = 0

    /** Newest first. */
    const files = Effect.gen(function* () {
      const ofBatches = (yield* checkpointsOf(storage)).filter(({ sequence }) => sequence > 1)
      const checkpoints = yield* Effect.forEach(
        ofBatches,
        ({ name }) =>
          Effect.map(storage.read(name), (bytes) => Result.getOrThrow(CheckpointFile.decode(bytes!, codec, checksum)))
      )
      const called = inSparkNames(checkpoints.map(({ time }) => time).toReversed()).toReversed()
      return checkpoints.map((checkpoint, i) => ({ file: called[i]!, content: contentOf(checkpoint) }))
    })

    const steps: Readonly<Record<string, Apply>> = {
      write: Effect.fnUntraced(function* ({ clearCheckpointDataLater = false, content, timeMs }) {
        yield* note(driver, content, ++writes)
        if (!(yield* driver.writer.checkpoint(timeMs))) throw new Mismatch("the checkpoint", "durable", "not written")
        if (clearCheckpointDataLater) yield* driver.writer.clear
        return { expectFiles: (yield* files).map(({ file }) => file).toSorted() }
      }),
      listNewestFirst: () => Effect.map(files, (all) => ({ expect: all }))
    }
    return (step) => known("step", steps, step.do)(step)
  })
}
