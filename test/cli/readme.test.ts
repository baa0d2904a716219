/**
 * The README's table of settings is the one of the code: a user of the package has no other.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import { Effect } from "effect"
import { it } from "../kit.ts"

const read = (name: string) => fs.readFileSync(new URL(`../../${name}`, import.meta.url), "utf8")

it("the README lists every setting, with Spark's name", () =>
  Effect.sync(() => {
    const [input] = /export interface SettingsInput \{[^}]*\}/.exec(read("core/dstream/Settings.ts"))!
    const settings = Array.from(
      input.matchAll(/\/\*\*(.*?)\*\/\s+readonly (\w+)\?/gs),
      ([, comment, name]) => `${name} ${/`((?:spark|StreamingContext)\.[^`]+)`/.exec(comment!)?.[1] ?? ""}`
    )
    const listed = Array.from(
      read("README.md").matchAll(/^\| `(\w+)` \|.*\| (?:`([^`]+)` )?\|$/gm),
      ([, name, spark]) => `${name} ${spark ?? ""}`
    )
    assert.ok(settings.length > 10)
    assert.deepEqual(settings.filter((setting) => !listed.includes(setting)), [])
  }))
