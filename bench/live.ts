/**
 * The workloads against the clock: what matters is not how fast a batch is, but whether the next one comes on time.
 */
import { engine, type EngineResult, result, start as startChild } from "./children.ts"
import { host, quantile, type Row } from "./report.ts"

const row = (workload: string, master: string, run: EngineResult, more: Partial<Row> = {}): Row => {
  const records = run.records.reduce((a, b) => a + b, 0)
  return {
    workload,
    master,
    batches: run.totalMillis.length,
    records,
    medianMillis: quantile(run.totalMillis, 0.5),
    p99Millis: quantile(run.totalMillis, 0.99),
    worstMillis: Math.max(...run.totalMillis),
    recordsPerSecond: NaN,
    peakRssMiB: run.peakRssMiB,
    ...host(),
    ...more
  }
}

const firstLine = (child: ReturnType<typeof startChild>): Promise<string> =>
  new Promise((resolve) => child.stdout!.once("data", (chunk) => resolve(String(chunk).split("\n")[0]!)))

interface SocketRun {
  readonly run: EngineResult
  readonly sent: number
  readonly due: number
}

const throughSocket = async (master: string, phases: ReadonlyArray<readonly [number, number]>): Promise<SocketRun> => {
  const generator = startChild("lineGenerator.ts", [JSON.stringify(phases)])
  const port = await firstLine(generator)
  const counted = result(generator)
  const seconds = phases.reduce((sum, [, seconds]) => sum + seconds, 0)
  const run = await engine("wordCountSocket.ts", master, { warmup: 0, measured: seconds + 3 }, {
    HOST: "127.0.0.1",
    PORT: port
  })
  return { run, ...await counted }
}

/** W3: sustained if total delay stays below 2 s in the last 17 batches and 97 % arrived. `--rate` lines a second. */
export const socket = async (master: string, rate: number): Promise<ReadonlyArray<Row>> => {
  const { run, due } = await throughSocket(master, [[rate / 4, 5], [rate / 2, 15], [rate, 26]])
  const received = run.records.reduce((a, b) => a + b, 0)
  const full = run.records.map((records, i) => ({ records, i })).filter(({ records }) => records > 0.75 * rate).map((
    { i }
  ) => i)
  const last = full.slice(-17)
  const late = full.map((i) => run.tickMillis[i]!)
  const worst = Math.max(...last.map((i) => run.totalMillis[i]!))
  const sustained = worst < 2000 && received >= 0.97 * due && last.length === 17
  return [row("wordcount-socket", master, run, {
    recordsPerSecond: last.reduce((sum, i) => sum + run.records[i]!, 0) / last.length,
    medianMillis: quantile(last.map((i) => run.totalMillis[i]!), 0.5),
    worstMillis: worst,
    note: `${sustained ? "sustained" : "NOT sustained"}, ${(100 * received / due).toFixed(2)} % received; ticks p99 ${
      quantile(late, 0.99)
    } ms late, ${(100 * late.filter((millis) => millis <= 20).length / late.length).toFixed(1)} % within 20 ms`
  })]
}

/** W3 at half its rate for five minutes: memory must not grow. */
export const soak = async (master: string, rate: number): Promise<ReadonlyArray<Row>> => {
  const { run, due } = await throughSocket(master, [[rate / 2, 300]])
  const received = run.records.reduce((a, b) => a + b, 0)
  const minute = (n: number) => Math.max(...run.rssMiB.slice(n * 60, n * 60 + 60))
  return [row("socket-soak", master, run, {
    recordsPerSecond: received / 300,
    note: `${(100 * received / due).toFixed(2)} % received; highest memory by minute: ${
      [0, 1, 2, 3, 4].map(minute).join(", ")
    } MiB`
  })]
}

/** W6: 20 s each; kept up if the median total delay of the quarters of the run does not grow and stays within a few intervals. */
export const tiny = async (master: string): Promise<ReadonlyArray<Row>> => {
  const rows: Array<Row> = []
  for (const millis of [100, 50, 30, 20, 10, 5]) {
    const measured = 20_000 / millis
    const run = await engine("tiny.ts", master, { warmup: Math.ceil(2000 / millis), measured }, {
      BATCH_MILLIS: millis
    })
    const quarters = [0, 1, 2, 3].map((q) =>
      quantile(run.totalMillis.slice(q * measured / 4, (q + 1) * measured / 4), 0.5)
    )
    const keptUp = quarters[3]! <= Math.max(quarters[0]! * 1.5, quarters[0]! + 1) && quarters[3]! < 3 * millis
    rows.push(row(`tiny ${millis} ms`, master, run, {
      recordsPerSecond: 100 * 1000 / millis,
      note: `${keptUp ? "kept up" : "NOT kept up"}; ${(100 * run.cpu).toFixed(0)} % of a core`
    }))
  }
  return rows
}

/** W7: from process start to the first batch printed, less the one batch of 100 ms that it waits for at most. */
export const start = async (master: string): Promise<ReadonlyArray<Row>> => {
  const millis: Array<number> = []
  for (let i = 0; i < 10; i++) {
    const begin = performance.now()
    const child = startChild("../adapters/cli/main.ts", [
      "run",
      "bench/programs/start.ts",
      "--batches",
      "1",
      "--master",
      master
    ])
    await firstLine(child)
    millis.push(performance.now() - begin)
    await new Promise((resolve) => child.on("close", resolve))
  }
  const run = {
    records: millis.map(() => 100),
    totalMillis: millis,
    millis,
    tickMillis: [],
    rssMiB: [],
    peakRssMiB: 0,
    cpu: 0,
    check: 0
  }
  return [
    row("start", master, run, {
      note: "from process start to the first batch printed; includes up to one batch of 100 ms"
    })
  ]
}

/** W9: words counted per second in the batch of 20 files (5,000,000 lines, 505 MB), after six of one file each. */
export const files = async (master: string): Promise<ReadonlyArray<Row>> => {
  const feeder = startChild("fileFeeder.ts", [])
  const directory = await firstLine(feeder)
  const words = firstLine(feeder).then(Number)
  const run = await engine("files.ts", master, { warmup: 0, measured: 14 }, { DIRECTORY: directory })
  feeder.kill()
  if (run.check !== await words) throw new Error(`files: the engine counted ${run.check} words of ${await words}`)
  const lines = 5_000_000
  const millis = Math.max(...run.millis)
  return [row("files", master, run, {
    records: lines,
    batches: 1,
    medianMillis: millis,
    worstMillis: millis,
    recordsPerSecond: lines / millis * 1000,
    note: "the batch of 20 files of 250,000 lines; all words of all 26 files were counted"
  })]
}

/** A running app with 1 s batches, a receiver and no input: share of one core over 20 s. */
export const idle = async (master: string): Promise<ReadonlyArray<Row>> => {
  const generator = startChild("lineGenerator.ts", [JSON.stringify([[0, 26]])])
  const port = await firstLine(generator)
  const run = await engine("wordCountSocket.ts", master, { warmup: 3, measured: 20 }, { HOST: "127.0.0.1", PORT: port })
  generator.kill()
  return [row("idle", master, run, { note: `${(100 * run.cpu).toFixed(2)} % of a core` })]
}
