/**
 * The workloads against the clock: what matters is not how fast a batch is, but whether the next one comes on time.
 */
import { engine, type EngineResult, machine, start as startChild } from "./children.ts"
import { withPlace } from "./place.ts"
import { host, median, type Row, timesOf } from "./report.ts"

export interface Options {
  readonly master: string
  /** Lines a second through the socket. */
  readonly rate: number
  readonly rounds: number
}

export type Workload = (options: Options) => Promise<ReadonlyArray<Row>>

/** A row of the total delays of a run, or of `millis`. */
export const row = async (
  workload: string,
  master: string,
  run: Pick<EngineResult, "records" | "peakRssMiB">,
  millis: ReadonlyArray<number>,
  more: Partial<Row> = {}
): Promise<Row> => ({
  workload,
  master,
  records: run.records.reduce((a, b) => a + b, 0),
  ...timesOf(millis),
  recordsPerSecond: NaN,
  machine: await machine(),
  peakRssMiB: run.peakRssMiB,
  ...host(),
  ...more
})

export const firstLine = (child: ReturnType<typeof startChild>): Promise<string> =>
  new Promise((resolve) => child.stdout!.once("data", (chunk) => resolve(String(chunk).split("\n")[0]!)))

/** W6: 20 s each; kept up if the median total delay of the quarters of the run does not grow and stays within a few intervals. */
export const tiny: Workload = async ({ master }) => {
  const rows: Array<Row> = []
  for (const millis of [100, 50, 30, 20, 10, 5]) {
    const measured = Math.ceil(20_000 / millis)
    const run = await engine("tiny.ts", master, { warmup: Math.ceil(2000 / millis), measured }, {
      BATCH_MILLIS: millis
    })
    const quarters = [0, 1, 2, 3].map((q) => median(run.totalMillis.slice(q * measured / 4, (q + 1) * measured / 4)))
    const keptUp = quarters[3]! <= Math.max(quarters[0]! * 1.5, quarters[0]! + 1) && quarters[3]! < 3 * millis
    rows.push(
      await row(`tiny ${millis} ms`, master, run, run.totalMillis, {
        recordsPerSecond: 100 * 1000 / millis,
        note: `${keptUp ? "kept up" : "NOT kept up"}; ${(100 * run.cpu).toFixed(0)} % of a core`
      })
    )
  }
  return rows
}

/** W6 at 20 ms, in turns without and with a checkpoint place: what it adds to a batch. */
export const tinyDurable: Workload = async ({ master, rounds }) => {
  const batches = { warmup: 100, measured: 500 }
  const config = { BATCH_MILLIS: 20 }
  const without: Array<EngineResult> = []
  const durable: Array<EngineResult> = []
  for (let round = 0; round < rounds; round++) {
    without.push(await engine("tiny.ts", master, batches, config))
    durable.push(
      await withPlace((place) => engine("tiny.ts", master, batches, { ...config, CHECKPOINT_DIRECTORY: place }))
    )
  }
  const added = durable.map((run, round) => median(run.totalMillis) - median(without[round]!.totalMillis))
  const part = (what: string, runs: ReadonlyArray<EngineResult>, note: string) =>
    row(
      `tiny 20 ms, ${what}`,
      master,
      { records: runs.flatMap(({ records }) => records), peakRssMiB: Math.max(...runs.map((run) => run.peakRssMiB)) },
      runs.flatMap(({ totalMillis }) => totalMillis),
      { recordsPerSecond: 5000, note }
    )
  const spread = added.map((millis) => millis.toFixed(1)).join(", ")
  return [
    await part("without a place", without, "median total delay"),
    await part(
      "with a place",
      durable,
      `adds ${median(added).toFixed(1)} ms to the median batch; the rounds: ${spread}`
    )
  ]
}

/** W7: from process start to the first batch printed, less the one batch of 100 ms that it waits for at most. */
export const start: Workload = async ({ master }) => {
  const millis: Array<number> = []
  for (let i = 0; i < 10; i++) {
    const begin = performance.now()
    const args = ["run", "bench/programs/start.ts", "--batches", "1", "--master", master]
    const child = startChild("../adapters/cli/main.ts", args)
    await firstLine(child)
    millis.push(performance.now() - begin)
    await new Promise((resolve) => child.on("close", resolve))
  }
  const run = { records: millis.map(() => 100), peakRssMiB: NaN }
  const note = "from process start to the first batch printed; includes up to one batch of 100 ms"
  return [await row("start", master, run, millis, { note })]
}

/** W9: words counted per second in the batch of 20 files (5,000,000 lines, 505 MB), after six of one file each. */
export const files: Workload = async ({ master }) => {
  const feeder = startChild("fileFeeder.ts", [])
  const directory = await firstLine(feeder)
  const fed = firstLine(feeder).then((line): { words: number; atOnce: number } => JSON.parse(line))
  const run = await engine("files.ts", master, { warmup: 0, measured: 14 }, { DIRECTORY: directory })
  feeder.kill()
  const { atOnce, words } = await fed
  if (run.check !== words) throw new Error(`files: the engine counted ${run.check} words of ${words}`)
  const batch = run.checks.indexOf(atOnce)
  if (batch === -1) {
    throw new Error(`files: no batch had the ${atOnce} words of all twenty files: ${run.checks.join(", ")}`)
  }
  const millis = run.millis[batch]!
  const lines = 5_000_000
  return [
    await row("files", master, run, [millis], {
      records: lines,
      recordsPerSecond: lines / millis * 1000,
      note: "the batch of 20 files of 250,000 lines, all of them in it; all words of all 26 files were counted"
    })
  ]
}

/** A running app with 1 s batches, a receiver and no input: share of one core over 20 s. */
export const idle: Workload = async ({ master }) => {
  const generator = startChild("socket/lineGenerator.ts", [JSON.stringify([[0, 26]])])
  const port = await firstLine(generator)
  const run = await engine("wordCountSocket.ts", master, { warmup: 3, measured: 20 }, { HOST: "127.0.0.1", PORT: port })
  generator.kill()
  return [await row("idle", master, run, run.totalMillis, { note: `${(100 * run.cpu).toFixed(2)} % of a core` })]
}
