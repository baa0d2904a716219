/**
 * W3: lines through a socket, against the clock: whether a rate is sustained, with and without the receiver's log, and for how long.
 */
import { engine, type EngineResult, result, start as startChild } from "../children.ts"
import { firstLine, type Options, row, type Workload } from "../live.ts"
import { withPlace } from "../place.ts"
import { median, type Row } from "../report.ts"

interface SocketRun {
  readonly run: EngineResult
  readonly sent: number
  readonly due: number
}

const throughSocket = async (
  master: string,
  phases: ReadonlyArray<readonly [number, number]>,
  more: Readonly<Record<string, string>> = {}
): Promise<SocketRun> => {
  const generator = startChild("socket/lineGenerator.ts", [JSON.stringify(phases)])
  const port = await firstLine(generator)
  const counted = result(generator)
  const seconds = phases.reduce((sum, [, seconds]) => sum + seconds, 0)
  const run = await engine("wordCountSocket.ts", master, { warmup: 0, measured: seconds + 3 }, {
    HOST: "127.0.0.1",
    PORT: port,
    ...more
  })
  return { run, ...await counted }
}

interface Sustained {
  readonly socket: SocketRun
  /** Of the last 17 batches at the full rate. */
  readonly delays: ReadonlyArray<number>
  readonly recordsPerSecond: number
  readonly received: number
  readonly ticksLate: ReadonlyArray<number>
  readonly isSustained: boolean
}

/** What waits at the sender comes later, and batches are larger than the rate then: by this much they may be. */
const waitingMax = 1.02

/**
 * 26 s at the full rate, after 20 s at less. Sustained: 97 % arrived, and in the last 17 batches at the full rate total delay stays below
 * 2 s and nothing comes that had to wait at the sender.
 */
const atRate = async (master: string, rate: number, more: Readonly<Record<string, string>>): Promise<Sustained> => {
  const socket = await throughSocket(master, [[rate / 4, 5], [rate / 2, 15], [rate, 26]], more)
  const { due, run: { records, tickMillis, totalMillis } } = socket
  const full = [...records.keys()].filter((i) => records[i]! > 0.75 * rate)
  const last = full.slice(-17)
  const delays = last.map((i) => totalMillis[i]!)
  const received = records.reduce((a, b) => a + b, 0) / due
  const recordsPerSecond = last.reduce((sum, i) => sum + records[i]!, 0) / last.length
  const isSustained = Math.max(...delays) < 2000 && received >= 0.97 && last.length === 17 &&
    recordsPerSecond <= waitingMax * rate
  return { socket, delays, recordsPerSecond, received, ticksLate: full.map((i) => tickMillis[i]!), isSustained }
}

const sustained = async (
  workload: string,
  { master, rate }: Options,
  more: Readonly<Record<string, string>>
): Promise<ReadonlyArray<Row>> => {
  const { delays, isSustained, received, recordsPerSecond, socket, ticksLate } = await atRate(master, rate, more)
  const inTime = ticksLate.filter((millis) => millis <= 20).length / ticksLate.length
  return [
    await row(workload, master, socket.run, delays, {
      recordsPerSecond,
      note: `${isSustained ? "sustained" : "NOT sustained"}, ${
        (100 * received).toFixed(2)
      } % received; ticks at worst ${Math.max(...ticksLate)} ms late, ${(100 * inTime).toFixed(1)} % within 20 ms`
    })
  ]
}

/** `--rate` lines a second. */
export const socket: Workload = (options) => sustained("wordcount-socket", options, {})

/** With a checkpoint place: what is received goes into the receiver's log before it counts. */
export const socketLog: Workload = (options) =>
  withPlace((place) => sustained("wordcount-socket-log", options, { CHECKPOINT_DIRECTORY: place }))

/** From one rate to the next that is tried. */
const stepUp = 1.1

/** From `--rate` on upwards, in turns without and with the receiver's log: the highest rate that each sustains at least once in two tries. */
export const socketLimits: Workload = async ({ master, rate: from }) => {
  const kinds = [
    { name: "without the log", at: (rate: number) => atRate(master, rate, {}) },
    {
      name: "with the log",
      at: (rate: number) => withPlace((place) => atRate(master, rate, { CHECKPOINT_DIRECTORY: place }))
    }
  ].map((kind) => ({ ...kind, highest: 0, best: undefined as Sustained | undefined, tries: [] as Array<string> }))
  const climbing = new Set(kinds)
  for (let rate = from; climbing.size > 0; rate = Math.round(rate * stepUp)) {
    for (const kind of climbing) {
      let run = await kind.at(rate)
      if (!run.isSustained) run = await kind.at(rate)
      kind.tries.push(`${rate}: ${median(run.delays).toFixed(0)} ms${run.isSustained ? "" : ", NOT sustained"}`)
      if (!run.isSustained) climbing.delete(kind)
      else Object.assign(kind, { highest: rate, best: run })
    }
  }
  const [without] = kinds
  const rows: Array<Row> = []
  for (const { best, highest, name, tries } of kinds) {
    if (best === undefined) {
      throw new Error(`wordcount-socket-limits: ${from} lines/s are not sustained ${name}; give a lower --rate`)
    }
    rows.push(
      await row(`wordcount-socket-limits, ${name}`, master, best.socket.run, best.delays, {
        recordsPerSecond: highest,
        ratio: highest / without!.highest,
        note: `the highest rate that was sustained; tried: ${tries.join("; ")}`
      })
    )
  }
  return rows
}

/** W3 at half its rate for five minutes: memory must not grow. */
export const soak: Workload = async ({ master, rate }) => {
  const { run, due } = await throughSocket(master, [[rate / 2, 300]])
  const received = run.records.reduce((a, b) => a + b, 0)
  const minute = (n: number) => Math.max(...run.rssMiB.slice(n * 60, n * 60 + 60))
  return [
    await row("socket-soak", master, run, run.totalMillis, {
      recordsPerSecond: received / 300,
      note: `${(100 * received / due).toFixed(2)} % received; highest memory by minute: ${
        [0, 1, 2, 3, 4].map(minute).join(", ")
      } MiB`
    })
  ]
}
