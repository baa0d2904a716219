/**
 * docs/durability.md says of every field of a checkpoint which wins, the checkpoint or the new start, as the code has it.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import { test } from "node:test"
import { Checkpoint, RunInfo } from "../../core/checkpoint/Checkpoint.ts"
import { precedence } from "../../core/checkpoint/precedence.ts"

test("every field of a checkpoint has its precedence, and no other", () => {
  const fields = [
    ...Object.keys(RunInfo.fields).map((name) => `run.${name}`),
    ...Object.keys(Checkpoint.fields).filter((name) => name !== "run")
  ]
  assert.deepEqual(Object.keys(precedence).sort(), fields.sort())
})

test("docs/durability.md has the same table", () => {
  const page = fs.readFileSync(new URL("../../docs/durability.md", import.meta.url), "utf8")
  const rows = Array.from(
    page.matchAll(/^\| `([\w.]+)` \| (checkpoint|new start|have to agree) \| (.+) \|$/gm),
    ([, field, wins, meaning]) => [field, { wins, meaning }]
  )
  assert.deepEqual(rows, Object.entries(precedence))
})
