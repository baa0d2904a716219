/**
 * The tables of `docs/configuration.md` are those of the code: a user of the package has no other.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import { Effect } from "effect"
import { definitions, fallbackOf, settingNames, variableOf } from "../../core/settings/definitions.ts"
import { it } from "../kit.ts"

const read = (name: string) => fs.readFileSync(new URL(`../../${name}`, import.meta.url), "utf8")

/** The rows of a page's tables whose first cell is code. */
const rowsOf = (page: string): ReadonlyArray<ReadonlyArray<string>> =>
  Array.from(page.matchAll(/^\| (`.+) \|$/gm), ([, row]) => row!.split(" | ").map((cell) => cell.trim()))

it("docs/configuration.md lists every setting as it is, and no other", () =>
  Effect.sync(() => {
    const listed = rowsOf(read("docs/configuration.md")).filter((row) => row.length === 5)
    const expected = settingNames.map((name) => [
      `\`${name}\``,
      fallbackOf(name),
      definitions[name].meaning,
      definitions[name].spark === undefined ? "" : `\`${definitions[name].spark}\``,
      `\`${variableOf(name)}\``
    ])
    assert.deepEqual(listed, expected)
  }))

it("every setting's docstring says its default", () =>
  Effect.sync(() => {
    const [input] = /export interface SettingsInput \{[^}]*\}/.exec(read("core/settings/Settings.ts"))!
    const docs = new Map(
      Array.from(input.matchAll(/\/\*\*(.*?)\*\/\s+readonly (\w+)\?/gs), ([, comment, name]) => [name!, comment!])
    )
    assert.deepEqual([...docs.keys()], settingNames)
    for (const [name, comment] of docs) {
      const { fallback, fallbackText } = definitions[name as keyof typeof definitions]
      if (fallback === undefined || fallbackText !== undefined) continue
      assert.ok(comment.includes(fallbackOf(name as keyof typeof definitions)), `${name}:${comment}`)
    }
  }))

/** Spark Streaming 3.5. */
const sparkSettings = read("test/settings/sparkSettings.txt").trim().split("\n")

it("docs/configuration.md says of every setting of Spark Streaming what became of it", () =>
  Effect.sync(() => {
    const page = read("docs/configuration.md")
    assert.ok(sparkSettings.length > 45)
    assert.deepEqual(sparkSettings.filter((name) => !page.includes(`\`${name}\``)), [])
  }))
