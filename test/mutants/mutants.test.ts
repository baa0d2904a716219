/**
 * Each mutant fits the sources as they are. That the simulation catches it is shown by `npm run mutants`.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { mutants } from "./bugs/mod.ts"
import { readSource } from "./copy.ts"
import { plant } from "./Mutant.ts"

for (const mutant of mutants) {
  test(`mutant ${mutant.number} can be planted: ${mutant.plants}`, () => {
    const files = plant(mutant, readSource)
    for (const [file, text] of files) assert.notEqual(text, readSource(file))
  })
}

test("a mutant that does not fit says what to do", () => {
  const mutant = { ...mutants[0]!, edits: [{ file: "a.ts", find: "const a = 1", replace: "const a = 2" }] }
  assert.deepEqual([...plant(mutant, () => "const a =\n  1\n")], [["a.ts", "const a = 2\n"]])
  for (const text of ["const a = 3", "const a = 1\nconst a = 1"]) {
    assert.throws(
      () => plant(mutant, () => text),
      /does not fit a\.ts: this stands there [02] times, .*Write the edit anew/s
    )
  }
  assert.throws(() => plant({ ...mutant, edits: [{ ...mutant.edits[0]!, replace: "const a =" }] }, () => "const a = 1"))
})
