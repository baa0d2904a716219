/**
 * The real program, killed a few times: `npm run kill-test` does it as often as one likes.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Effect } from "effect"
import { it } from "../kit.ts"
import { killTest } from "./killTest.ts"

it.live(
  "killed with SIGKILL at random moments, each acknowledged line is in the files once and counted once",
  () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "kill-"))),
        (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
      )
      const { acknowledged, mistakes, sent } = yield* killTest({ kills: 3, seed: 7, folder })
      assert.deepEqual(mistakes, [])
      assert.ok(sent > 100 && acknowledged === sent)
    }),
  { timeout: 240_000 }
)
