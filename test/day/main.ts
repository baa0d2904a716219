/**
 * `npm run day -- [--hours 24]`: see `day`; what is held is printed for each hour. Ends with the line `N passed, N failed`.
 */
import * as process from "node:process"
import { parseArgs } from "node:util"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { day, type Holding } from "./day.ts"
import { directory } from "./disk.ts"
import { grownOf } from "./grown.ts"

const hour = 3600

const { values } = parseArgs({ args: process.argv.slice(2), options: { hours: { type: "string", default: "24" } } })

const say = ({ batches, bytes, files, handles, heapBytes }: Holding) =>
  console.log(
    `after ${(batches / hour).toFixed(2).padStart(5)} h: ${files} files, ${
      (bytes / 1024).toFixed(0)
    } KiB, ${handles} handles, ${(heapBytes / 2 ** 20).toFixed(1)} MiB of heap`
  )

const began = performance.now()
const batches = Number(values.hours) * hour
const run = Effect.flatMap(directory, (disk) => day({ disk, batches, settledAfter: Math.min(hour, batches / 2), say }))
  .pipe(
    Effect.scoped,
    Effect.provide(TestClock.layer())
  )
const grown = grownOf(await Effect.runPromise(run))
const seconds = (performance.now() - began) / 1000
for (const sentence of grown) console.log(sentence)
console.log(`${batches} batches in ${seconds.toFixed(0)} s: ${(batches / seconds).toFixed(0)} batches/s`)
console.log(grown.length === 0 ? "1 passed, 0 failed" : "0 passed, 1 failed")
process.exit(grown.length === 0 ? 0 : 1)
