/**
 * W8: a program is killed (SIGKILL) while a source sends at a rate, and started again at once. How long from the start of the process
 * to the first output; whether three batches later nothing is behind; whether in the end each id was counted once.
 */
import type { ChildProcess } from "node:child_process"
import { createInterface } from "node:readline"
import { machine, start } from "./children.ts"
import { NumberedSource } from "./numberedSource.ts"
import type { Counted } from "./programs/recovery.ts"
import { host, type Row, timesOf } from "./report.ts"
import { withPlace } from "./place.ts"

const rates = [5_000, 10_000, 20_000]
const batchMillis = 1000
/** Two snapshots are behind it, and some batches more: in each round others, and another part of a batch. */
const secondsBeforeKill = (round: number): number => 20 + 10 * ((0.5 + 0.618 * round) % 1)
const secondsAfterStart = 12
const patienceSeconds = 60

interface Told extends Counted {
  /** By the fine clock. */
  readonly at: number
  /** From the batch's time to what it printed. */
  readonly delayMillis: number
}

class Program {
  readonly told: Array<Told> = []
  readonly began = performance.now()
  private readonly child: ChildProcess
  private readonly closed: Promise<void>
  private look = () => {}

  constructor(master: string, port: number, place: string) {
    const config = [`PORT=${port}`, `DSTREAMS_CHECKPOINT_DIRECTORY=${place}`].flatMap((pair) => ["--config", pair])
    const args = ["run", "bench/programs/recovery.ts", "--master", master, ...config]
    this.child = start("../adapters/cli/main.ts", args)
    this.closed = new Promise((resolve) => this.child.on("close", () => resolve()))
    createInterface(this.child.stdout!).on("line", (line) => {
      const counted = JSON.parse(line) as Counted
      this.told.push({ ...counted, at: performance.now(), delayMillis: Date.now() - counted.time })
      this.look()
    })
  }

  /** Whether what it tells comes to hold, in time. */
  until(holds: (told: ReadonlyArray<Told>) => boolean, seconds = patienceSeconds): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), seconds * 1000)
      this.look = () => {
        if (!holds(this.told)) return
        clearTimeout(timer)
        resolve(true)
      }
      this.look()
    })
  }

  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    this.child.kill(signal)
    await this.closed
  }
}

interface Recovery {
  readonly firstOutputMillis: number
  /** Of the batch three after the first. */
  readonly delayMillis: number
  readonly records: number
}

const pause = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

const killed = (master: string, rate: number, seconds: number): Promise<Recovery> =>
  withPlace(async (place) => {
    const source = new NumberedSource(rate)
    const port = await source.listen()
    const first = new Program(master, port, place)
    let second: Program | undefined
    try {
      await first.until((told) => told.length > 0)
      await pause(seconds)
      await first.end("SIGKILL")
      second = new Program(master, port, place)
      if (!await second.until((told) => told.length > 3)) throw new Error("recovery: too few outputs after the kill")
      const [next] = second.told
      await pause(secondsAfterStart)
      source.stop()
      const all = (told: ReadonlyArray<Told>) => told.at(-1)!.records >= source.made
      await second.until(all)
      const { ids, records } = second.told.at(-1)!
      if (ids !== source.made || records !== source.made) {
        throw new Error(`recovery: of ${source.made} records ${ids} were counted, ${records} times in all`)
      }
      return { firstOutputMillis: next!.at - second.began, delayMillis: second.told[3]!.delayMillis, records }
    } finally {
      await first.end("SIGKILL")
      await second?.end("SIGKILL")
      source.close()
    }
  })

export const recovery = async (
  { master, rounds }: { readonly master: string; readonly rounds: number }
): Promise<ReadonlyArray<Row>> => {
  const runs = new Map<number, Array<Recovery>>(rates.map((rate) => [rate, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [rate, of] of runs) of.push(await killed(master, rate, secondsBeforeKill(round)))
  }
  const speed = await machine()
  return Array.from(runs, ([rate, of]): Row => {
    const behind = of.map(({ delayMillis }) => delayMillis)
    const note = behind.every((millis) => millis < batchMillis)
      ? "no backlog three batches later"
      : "BACKLOG three batches later"
    return {
      workload: `recovery ${rate}/s`,
      master,
      records: of.reduce((sum, { records }) => sum + records, 0),
      ...timesOf(of.map(({ firstOutputMillis }) => firstOutputMillis)),
      recordsPerSecond: rate,
      machine: speed,
      peakRssMiB: NaN,
      ...host(),
      note: `killed after 20 to 30 s; from process start to first output; each id once; ${note}, at most ${
        Math.max(...behind)
      } ms`
    }
  })
}
