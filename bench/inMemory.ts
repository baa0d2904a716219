/**
 * The workloads that have a loop to be beside: rounds of engine and loop, in turns.
 */
import { engine, type EngineResult, machine, result, type SnapshotWork, start } from "./children.ts"
import { withPlace } from "./place.ts"
import { host, median, quietLinesPerSecond, type Round, type Row, summary, timesOf } from "./report.ts"

export interface InMemory {
  readonly program: string
  readonly config?: Readonly<Record<string, string>>
  readonly warmup: number
  readonly batches: number
  /** With a checkpoint place. */
  readonly durable?: boolean
}

export const inMemory: Record<string, InMemory> = {
  "grep-mem": { program: "grepMem.ts", warmup: 10, batches: 20 },
  "wordcount-mem": { program: "wordCountMem.ts", warmup: 4, batches: 10 },
  "numeric-chain": { program: "numericChain.ts", warmup: 5, batches: 10 },
  // Until the window is full, and every key known.
  "window-inverse": { program: "window.ts", config: { inverse: "yes" }, warmup: 35, batches: 20 },
  window: { program: "window.ts", config: { inverse: "no" }, warmup: 35, batches: 35 },
  "update-state": { program: "updateState.ts", warmup: 15, batches: 20 },
  "map-state": { program: "mapState.ts", warmup: 15, batches: 20 },
  // Its states' snapshots, one every ten batches, and the driver's log are kept for the next driver.
  "map-state-durable": { program: "mapState.ts", warmup: 15, batches: 40, durable: true },
  // Beside map-state: what ten times the keys cost, with as many updates, in the engine and in the loop.
  "map-state-of-few": { program: "mapState.ts", config: { keys: "100000" }, warmup: 15, batches: 20 },
  wide: { program: "wide.ts", warmup: 10, batches: 20 }
}

export interface Options {
  readonly master: string
  readonly rounds: number
  readonly batches: number | undefined
}

export const besideTheLoop = async (
  name: string,
  { program, config, warmup, batches, durable = false }: InMemory,
  options: Options
): Promise<ReadonlyArray<Row>> => {
  const { master } = options
  const measured = options.batches ?? batches
  const run = (more: Record<string, string>) => engine(program, master, { warmup, measured }, { ...config, ...more })
  const runEngine = () => durable ? withPlace((place) => run({ CHECKPOINT_DIRECTORY: place })) : run({})
  const runLoop = () => result(start("hand.ts", [name, String(warmup), String(measured)]))
  const rounds: Array<Round> = []
  const runs: Array<EngineResult> = []
  for (let round = 0; round < options.rounds; round++) {
    // A machine that becomes slower, or faster, is not for one of the two.
    const first = round % 2 === 0 ? await runLoop() : undefined
    const run = await runEngine()
    const loop = first ?? await runLoop()
    if (run.check !== loop.check) throw new Error(`${name}: the engine came to ${run.check}, the loop to ${loop.check}`)
    runs.push(run)
    const own = host().runtime === "node"
      ? Object.entries(quietLinesPerSecond).find(([yardstick]) => yardstick === name)
      : undefined
    rounds.push({
      engine: run.millis,
      hand: loop.millis,
      peakRssMiB: run.peakRssMiB,
      machine: own === undefined ? await machine() : run.records[0]! / median(loop.millis) * 1000 / own[1]
    })
  }
  const records = runs[0]!.records.at(-1)!
  const row = summary({ workload: name, master, records, rounds })
  return [row, ...bySnapshot(row, runs)]
}

/** What snapshots cost, where there were any. */
const bySnapshot = (row: Row, runs: ReadonlyArray<EngineResult>): ReadonlyArray<Row> => {
  const timesWith = (work: SnapshotWork) =>
    timesOf(runs.flatMap((run) => run.millis.filter((_, batch) => run.snapshots[batch] === work)))
  const [without, taken, written] = [timesWith("none"), timesWith("taken"), timesWith("written")]
  if (taken.batches === 0) return []
  const { master, machine, peakRssMiB, records, runtime, version } = row
  const part = (what: string, times: ReturnType<typeof timesOf>, note: string): Row => ({
    workload: `${row.workload}, ${what}`,
    master,
    records,
    ...times,
    recordsPerSecond: records / times.medianMillis * 1000,
    machine,
    peakRssMiB,
    runtime,
    version,
    note
  })
  const compared = (times: ReturnType<typeof timesOf>, what: string) =>
    `${what}; median: ${(times.medianMillis / without.medianMillis).toFixed(2)} times a batch without`
  return [
    part("without a snapshot", without, "no snapshot was taken or written while these batches ran"),
    part("with a snapshot", taken, compared(taken, "the state of these batches was written")),
    ...(written.batches === 0
      ? []
      : [part("beside a snapshot", written, compared(written, "one was still being written"))])
  ]
}
