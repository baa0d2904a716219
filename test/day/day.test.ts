/**
 * Minutes of the day that `npm run day` runs whole. Handles are counted of the whole process, so on Deno no other file of tests runs
 * beside it (see the task in deno.json).
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { it } from "../kit.ts"
import { day } from "./day.ts"
import { memory } from "./disk.ts"
import { grownOf } from "./grown.ts"

it(
  "what runs for minutes holds no more files and handles than after half of them",
  () =>
    Effect.map(day({ disk: memory(), batches: 300, settledAfter: 150 }), (held) => assert.deepEqual(grownOf(held), [])),
  { timeout: 120_000 }
)

it("what grows is told", () =>
  Effect.sync(() => {
    const settled = { batches: 10, files: 9, bytes: 1000, handles: 3, heapBytes: 2 ** 20 }
    const end = { ...settled, batches: 20, files: 14, heapBytes: 2 ** 24 }
    assert.deepEqual(grownOf({ settled, end, words: { least: 80, given: 40, most: 82 } }), [
      "files: 9 after 10 batches, 14 after 20",
      "heapBytes: 1048576 after 10 batches, 16777216 after 20",
      "40 words were given to the sink, and not 80 to 82"
    ])
  }))
