/**
 * The first step of the command: which Node it needs is what the package says, and nothing is imported before it was asked.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import { Effect } from "effect"
import { it } from "../kit.ts"
import { dstreams, example } from "./command.ts"

const read = (name: string) => fs.readFileSync(new URL(`../../${name}`, import.meta.url), "utf8")

it("the command refuses a Node that package.json refuses, and imports nothing before", () =>
  Effect.sync(() => {
    const { engines }: { readonly engines: { readonly node: string } } = JSON.parse(read("package.json"))
    const [, major, minor] = /^>=(\d+)\.(\d+)$/.exec(engines.node)!
    const main = read("adapters/cli/main.ts")
    assert.ok(main.includes(`if (major < ${major} || (major === ${major} && minor < ${minor})) {`))
    assert.ok(main.includes(`dstreams needs Node ${major}.${minor} or later, this is `))
    assert.doesNotMatch(main, /^import /m)
  }))

it.live("a task runner's -- before options is passed over", () =>
  Effect.gen(function* () {
    const options = ["--demo", "--", "--batches", "1", "--batch-duration", "100 millis"]
    const { code, err } = yield* dstreams("run", example, ...options)
    assert.deepEqual([code, err], [0, ""])
  }))
