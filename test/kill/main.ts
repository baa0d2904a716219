/**
 * `npm run kill-test -- --kills N --seed S [--master local[2]]`: see `killTest`. Ends with the line `N passed, N failed`.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { parseArgs } from "node:util"
import { Effect } from "effect"
import { killTest } from "./killTest.ts"

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    kills: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
    master: { type: "string", default: "local[2]" }
  }
})

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "kill-test-"))
const began = performance.now()
const { acknowledged, mistakes, sent, starts } = await Effect.runPromise(
  Effect.scoped(killTest({
    kills: Number(values.kills),
    seed: Number(values.seed),
    master: values.master,
    folder,
    say: console.log
  }))
)
for (const mistake of mistakes) console.log(mistake)
const seconds = Math.round((performance.now() - began) / 1000)
console.log(`${starts} starts, ${sent} lines sent, ${acknowledged} acknowledged, in ${seconds} s`)
if (mistakes.length === 0) fs.rmSync(folder, { recursive: true, force: true })
else console.log(`what it left is in ${folder}`)
console.log(mistakes.length === 0 ? "1 passed, 0 failed" : "0 passed, 1 failed")
process.exit(mistakes.length === 0 ? 0 : 1)
