/**
 * `npm run bench -- [NAME] [--master local|local[n]] [--json] [--batches N] [--rounds N] [--rate N]`: the workloads, those in memory each
 * beside the loop written by hand.
 *
 * Engine and loop run in processes of their own, of this runtime and with its flags, one after the other in turns, so that both
 * see the same machine. Figures are medians over all measured batches of all rounds; beside them stands the worst.
 */
import * as process from "node:process"
import { parseArgs } from "node:util"
import { engine, result, start as startChild } from "./children.ts"
import * as live from "./live.ts"
import { print, type Row, summary } from "./report.ts"

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    master: { type: "string", default: "local" },
    json: { type: "boolean", default: false },
    batches: { type: "string" },
    rounds: { type: "string", default: "2" },
    /** Lines a second through the socket. */
    rate: { type: "string", default: "320000" }
  }
})

interface InMemory {
  readonly program: string
  readonly config?: Readonly<Record<string, string>>
  readonly warmup: number
  readonly batches: number
}

/** Workloads that have a loop to be beside. */
const inMemory: Record<string, InMemory> = {
  "grep-mem": { program: "grepMem.ts", warmup: 10, batches: 20 },
  "wordcount-mem": { program: "wordCountMem.ts", warmup: 4, batches: 10 },
  "numeric-chain": { program: "numericChain.ts", warmup: 5, batches: 10 },
  // Until the window is full, and every key known.
  "window-inverse": { program: "window.ts", config: { inverse: "yes" }, warmup: 35, batches: 20 },
  window: { program: "window.ts", config: { inverse: "no" }, warmup: 35, batches: 35 },
  "update-state": { program: "updateState.ts", warmup: 15, batches: 20 },
  "map-state": { program: "mapState.ts", warmup: 15, batches: 20 },
  // Beside map-state: what ten times the keys cost, with as many updates, in the engine and in the loop.
  "map-state-of-few": { program: "mapState.ts", config: { keys: "100000" }, warmup: 15, batches: 20 },
  wide: { program: "wide.ts", warmup: 10, batches: 20 }
}

const againstTheClock: Record<string, () => Promise<ReadonlyArray<Row>>> = {
  "wordcount-socket": () => live.socket(values.master, Number(values.rate)),
  files: () => live.files(values.master),
  tiny: () => live.tiny(values.master),
  start: () => live.start(values.master),
  idle: () => live.idle(values.master),
  "socket-soak": () => live.soak(values.master, Number(values.rate))
}

const besideTheLoop = async (name: string, { program, config, warmup, batches }: InMemory): Promise<Row> => {
  const measured = Number(values.batches ?? batches)
  const millis: Array<number> = []
  const hand: Array<number> = []
  let records = 0
  let peakRssMiB = 0
  for (let round = 0; round < Number(values.rounds); round++) {
    const loop = await result(startChild("hand.ts", [name, String(warmup), String(measured)]))
    const run = await engine(program, values.master, { warmup, measured }, config)
    if (run.check !== loop.check) throw new Error(`${name}: the engine came to ${run.check}, the loop to ${loop.check}`)
    hand.push(...loop.millis)
    millis.push(...run.millis)
    records = run.records.at(-1)!
    peakRssMiB = Math.max(peakRssMiB, run.peakRssMiB)
  }
  return summary({ workload: name, master: values.master, records, engine: millis, hand, peakRssMiB })
}

const all = [...Object.keys(inMemory), ...Object.keys(againstTheClock)]
for (const name of positionals.length > 0 ? positionals : all) {
  const beside = inMemory[name]
  process.stderr.write(`bench: ${name} on ${values.master} ...\n`)
  const rows = beside !== undefined ? [await besideTheLoop(name, beside)] : await againstTheClock[name]?.()
  if (rows === undefined) {
    process.stderr.write(`no workload is called "${name}": there are ${all.join(", ")}\n`)
    process.exit(2)
  }
  print(rows, values.json)
}
