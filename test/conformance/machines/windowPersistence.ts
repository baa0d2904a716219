/**
 * windowPersistence: the level of a windowed stream and of the stream it is made of. Records that are kept are not serialised, so
 * Spark's levels with and without _SER are one.
 */
import { Effect } from "effect"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream } from "../../../core/mod.ts"
import type { StorageLevel } from "../../../core/receiving/StorageLevel.ts"
import { type Json, known } from "../Vector.ts"
import type { Apply, Machine } from "./machine.ts"

const ours = (level: string): StorageLevel => level.replace("_SER", "") as StorageLevel

const levelOf = (stream: Json): string => stream.kind === "persist" ? stream.params.level : "NONE"

/** By the name under which the step expects it, if that is the same level. */
const named = (level: string, expected: string): string => ours(expected) === level ? expected : level

export const windowPersistence: Machine = {
  takes: ["do", "level"],
  open: ({ windowMs }) =>
    Effect.sync(() => {
      let windowed: Json
      const steps: Readonly<Record<string, Apply>> = {
        createWindow: () => Effect.sync(() => void (windowed = DStream.window(windowMs)(Memory.batches([[1]])))),
        persistWindow: ({ level }) => Effect.sync(() => void (windowed = DStream.persist(ours(level))(windowed)))
      }
      return (step) =>
        Effect.map(known("step", steps, step.do)(step), () => ({
          expect: {
            window: named(levelOf(windowed), step.expect.window),
            parent: named(levelOf(windowed.parents[0]), step.expect.parent)
          }
        }))
    })
}
