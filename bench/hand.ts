/**
 * The opponent: each workload as the loop that one would write by hand, on one thread. Run in a process of its own:
 * `node bench/hand.ts NAME WARMUP BATCHES` prints the milliseconds of each measured batch as JSON.
 */
import * as process from "node:process"
import { digestOfCounts, lines, needle } from "./data.ts"
import { integersOf } from "./programs/numericChain.ts"
import { keysInAll, stateKeys } from "./keys/stateKeys.ts"
import { lines as linesOfWide, outputs } from "./programs/wide.ts"
import { windowBatches, windowKeys } from "./keys/windowKeys.ts"

/** What a loop gives is added up and printed, so that none of it can be left out; a function: what comes after the measured time. */
type Loop = () => number | (() => number)

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
    return () => digestOfCounts(m)
  }
}

const numericChain = (): Loop => {
  const all: Array<number> = []
  for (const partition of [0, 1]) for (const x of integersOf(partition)) all.push(x)
  return () => {
    let sum = 0
    // By index: V8 makes of it a loop that is several times as fast as one by `of` over numbers.
    for (let i = 0; i < all.length; i++) {
      const y = all[i]! * 3
      if (y % 2 === 1) sum += y + 1
    }
    return sum
  }
}

const everyKey = (keysOf: (batch: number, partition: number) => ReadonlyArray<string>) => {
  let batch = 0
  return () => {
    const keys = [keysOf(batch, 0), keysOf(batch, 1)]
    batch++
    return keys
  }
}

const folded = (counts: ReadonlyMap<string, number>): number => {
  let sum = 0
  for (const count of counts.values()) sum += count
  return sum
}

const updateState = (): Loop => {
  const next = everyKey(stateKeys)
  const sums = new Map<string, number>()
  return () => {
    for (const keys of next()) for (const key of keys) sums.set(key, (sums.get(key) ?? 0) + 1)
    return folded(sums)
  }
}

const mapState = (keys: number) => (): Loop => {
  const next = everyKey((batch, partition) => stateKeys(batch, partition, keys))
  const sums = new Map<string, number>()
  return () => {
    let emitted = 0
    for (const keys of next()) {
      for (const key of keys) {
        const sum = (sums.get(key) ?? 0) + 1
        sums.set(key, sum)
        emitted += sum
      }
    }
    return emitted
  }
}

/** Each batch's counts are added when it comes, and taken away when it leaves the window. */
const window = (): Loop => {
  const next = everyKey(windowKeys)
  const counts = new Map<string, number>()
  const inWindow: Array<ReadonlyMap<string, number>> = []
  return () => {
    const batch = new Map<string, number>()
    for (const keys of next()) for (const key of keys) batch.set(key, (batch.get(key) ?? 0) + 1)
    for (const [key, count] of batch) counts.set(key, (counts.get(key) ?? 0) + count)
    inWindow.push(batch)
    if (inWindow.length > windowBatches) {
      for (const [key, count] of inWindow.shift()!) counts.set(key, counts.get(key)! - count)
    }
    return folded(counts)
  }
}

const wide = (): Loop => {
  const all = lines(42, 0, linesOfWide)
  return () => {
    let even = 0
    for (let k = 0; k < outputs; k++) for (const line of all) if ((line.length + k) % 2 === 0) even++
    return even
  }
}

const loops: Record<string, () => Loop> = {
  "grep-mem": grepMem,
  "wordcount-mem": wordCountMem,
  "numeric-chain": numericChain,
  "update-state": updateState,
  "map-state": mapState(keysInAll),
  "map-state-durable": mapState(keysInAll),
  "map-state-of-few": mapState(keysInAll / 10),
  "window-inverse": window,
  window,
  wide
}

const [, , name, warmup, batches] = process.argv
const make = loops[name ?? ""]
if (make === undefined) throw new Error(`no loop is called "${name}": there are ${Object.keys(loops).join(", ")}`)
const loop = make()
const millis: Array<number> = []
let check = 0
for (let i = 0; i < Number(warmup) + Number(batches); i++) {
  const start = performance.now()
  const came = loop()
  if (i >= Number(warmup)) millis.push(performance.now() - start)
  check += typeof came === "number" ? came : came()
}
process.stdout.write(JSON.stringify({ millis, check }) + "\n")
