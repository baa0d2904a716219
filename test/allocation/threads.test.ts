/**
 * Dynamic allocation on real worker threads: `local[1]` grows under load, and gives threads back without it.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as path from "node:path"
import { Effect } from "effect"
import { it } from "../kit.ts"
import { collected } from "../threads/programs/collected.ts"
import { lines } from "../threads/programs/journal.ts"
import { perKey } from "./scales.ts"
import * as Run from "../threads/run.ts"

it.live(
  "local[1] grows to three threads and back to one; every state of every batch is right, and nothing is tried again",
  () =>
    Effect.gen(function* () {
      const journal = yield* Run.folder
      const running = yield* Run.start(new URL("./scales.ts", import.meta.url).href, {
        threads: 1,
        config: { RUN: "scales", JOURNAL: journal }
      })
      const { context, eventsOf, sees } = running
      yield* sees("ExecutorAdded", () => eventsOf("ExecutorAdded").length === 3)
      const grown = collected("scales", "counts").length
      yield* sees("BatchCompleted", () => collected("scales", "counts").length >= grown + 3)
      fs.writeFileSync(path.join(journal, "light"), "")
      yield* sees("ExecutorRemoved", () => eventsOf("ExecutorRemoved").length === 2)
      const shrunk = collected("scales", "counts").length
      yield* sees("BatchCompleted", () => collected("scales", "counts").length >= shrunk + 3)
      yield* context.stop()
      const counts = collected("scales", "counts")
      counts.forEach(({ partitions }, batch) => {
        const expected = [0, 1, 2].map((key) => [`key ${key}`, perKey * (batch + 1)])
        assert.deepEqual(partitions.flat(1).toSorted(), expected)
      })
      assert.deepEqual(eventsOf("ExecutorRemoved").map(({ reason }) => reason), ["removed", "removed"])
      assert.deepEqual(eventsOf("TaskRetried"), [])
      assert.equal(eventsOf("ExecutorAdded").length, 3)
      assert.equal(new Set(lines(journal).filter((line) => line.startsWith("thread"))).size, 3)
    }),
  { timeout: 60_000 }
)
