/**
 * The opponent: each workload as the loop that one would write by hand, on one thread. Run in a process of its own:
 * `node bench/hand.ts NAME WARMUP BATCHES` prints the milliseconds of each measured batch as JSON.
 */
import * as process from "node:process"
import { lines, needle } from "./data.ts"
import { integersOf } from "./programs/numericChain.ts"

/** What a loop gives is added up and printed, so that none of it can be left out. */
type Loop = () => number

const grepMem = (): Loop => {
  const all = [...lines(42, 0, 500_000), ...lines(42, 1, 500_000)]
  return () => {
    let n = 0
    for (const s of all) if (s.includes(needle)) n++
    return n
  }
}

const wordCountMem = (): Loop => {
  const all = [...lines(42, 0, 250_000), ...lines(42, 1, 250_000)]
  return () => {
    const m = new Map<string, number>()
    for (const s of all) for (const w of s.split(" ")) m.set(w, (m.get(w) ?? 0) + 1)
    return m.size
  }
}

const numericChain = (): Loop => {
  const all: Array<number> = []
  for (const partition of [0, 1]) for (const x of integersOf(partition)) all.push(x)
  return () => {
    let sum = 0
    for (const x of all) {
      const y = x * 3
      if (y % 2 === 1) sum += y + 1
    }
    return sum
  }
}

const loops: Record<string, () => Loop> = {
  "grep-mem": grepMem,
  "wordcount-mem": wordCountMem,
  "numeric-chain": numericChain
}

const [, , name, warmup, batches] = process.argv
const make = loops[name ?? ""]
if (make === undefined) throw new Error(`no loop is called "${name}": there are ${Object.keys(loops).join(", ")}`)
const loop = make()
const millis: Array<number> = []
let check = 0
for (let i = 0; i < Number(warmup) + Number(batches); i++) {
  const start = performance.now()
  check += loop()
  if (i >= Number(warmup)) millis.push(performance.now() - start)
}
process.stdout.write(JSON.stringify({ millis, check }) + "\n")
