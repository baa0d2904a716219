/**
 * Power cuts of a log that syncs on rolling: whatever the machine leaves of what was not synced, also where the sync of a roll or an append
 * had failed before, what is durable is read, and a hole is told as lost: it is neither the end of the log nor damage.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Effect, Exit, Fiber, Logger } from "effect"
import fc from "fast-check"
import { TestClock } from "effect/testing"
import type { LogPosition } from "../../../core/wal/LogPosition.ts"
import { memoryStorage } from "../../../runtime/storage/memoryStorage.ts"
import { readRecord } from "../../../runtime/storage/readLog.ts"
import { type StableStorage, StorageError } from "../../../runtime/storage/StableStorage.ts"
import { bytesOf, textOf } from "../../storage/contract.ts"
import { openLog, readTexts } from "../../storage/logs.ts"

const away = (name: string) => new StorageError({ reason: "Unavailable", name, message: "away" })

/** Of the calls that append to its files, each does what the plan says of it: works, fails before, or fails when it was written. */
const failingBy = (storage: StableStorage, plan: ReadonlyArray<"works" | "before" | "after">): StableStorage => {
  let call = 0
  return {
    ...storage,
    open: (name) =>
      Effect.map(storage.open(name), (file) => ({
        append: (bytes, options) =>
          Effect.suspend(() => {
            const how = plan[call++] ?? "works"
            if (how === "works") return file.append(bytes, options)
            const written = how === "after" ? file.append(bytes, { sync: false }) : Effect.void
            return Effect.andThen(written, Effect.fail(away(name)))
          })
      }))
  }
}

/** What the machine leaves of the appends of a file that were not synced: each as it was, as zeros, or cut; or nothing from some on. */
const fates = fc.array(fc.constantFrom("whole" as const, "zeros" as const, "cut" as const, "gone" as const), {
  minLength: 1,
  maxLength: 8
})

test("of a log that syncs on rolling a power cut takes nothing that is durable, and all else that it takes is told or is its end", async () => {
  const outcomes = { held: 0, lost: 0, shorter: 0 }
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom("works", "works", "works", "before", "after"), { maxLength: 60, size: "max" }),
      fc.integer({ min: 2, max: 40 }),
      fates,
      (plan, count, fate) => {
        const storage = memoryStorage()
        const acknowledged: Array<readonly [text: string, place: LogPosition]> = []
        const offered: Array<string> = []
        const cut = Effect.gen(function* () {
          const failing = failingBy(storage, plan)
          const log = yield* openLog(failing, { sync: "onRoll", rollBytes: 400, attemptsMax: 3, restMillis: 1 })
          for (let i = 0; i < count; i++) {
            const text = `record ${i}`
            offered.push(text)
            const appending = yield* Effect.forkChild(Effect.exit(log.append([bytesOf(text)])))
            yield* TestClock.adjust(1000)
            const exit = yield* Fiber.join(appending)
            if (Exit.isSuccess(exit)) acknowledged.push([text, exit.value[0]!])
          }
          const durable = acknowledged.filter(([, { file, length, offset }]) =>
            offset + length <= storage.sizes(file)!.durable
          )
          let turn = 0
          storage.crash((_, unsynced) =>
            Uint8Array.from(unsynced.flatMap((bytes) => {
              const how = fate[turn++ % fate.length]!
              if (how === "whole") return [...bytes]
              return how === "zeros" ? Array.from(bytes, () => 0) : how === "cut" ? [...bytes.subarray(0, 30)] : []
            }))
          )
          const { lost, texts } = yield* readTexts(storage)
          assert.deepEqual(texts, offered.filter((text) => texts.includes(text)), "in order, each once")
          for (const [text, place] of durable) {
            assert.ok(texts.includes(text), `${text} is durable`)
            assert.equal(textOf(yield* readRecord(storage, place)), text)
          }
          const missing = acknowledged.filter(([text]) => !texts.includes(text))
          const last = offered.indexOf(texts.at(-1) ?? "")
          const holes = missing.filter(([text]) => offered.indexOf(text) < last)
          // Groups that were written and not acknowledged count too.
          assert.ok(lost.reduce((sum, { groups }) => sum + groups, 0) >= holes.length, "holes are told")
          assert.ok(lost.length > 0 || holes.length === 0)
          outcomes.held += durable.length
          if (holes.length > 0) outcomes.lost++
          if (missing.length > holes.length) outcomes.shorter++
        })
        return Effect.runPromise(
          cut.pipe(
            Effect.scoped,
            Effect.provide(TestClock.layer()),
            Effect.provideService(Logger.CurrentLoggers, new Set())
          )
        )
      }
    ),
    { numRuns: 120 }
  )
  assert.ok(outcomes.held > 300 && outcomes.lost > 20 && outcomes.shorter > 20, JSON.stringify(outcomes))
})
