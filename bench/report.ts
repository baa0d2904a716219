/**
 * How the figures of a workload are made and shown.
 */
import * as process from "node:process"

/** One line of `--json`; fields that a workload does not have are left out. */
export interface Row {
  readonly workload: string
  readonly master: string
  readonly batches: number
  readonly records: number
  readonly medianMillis: number
  readonly worstMillis: number
  /** Only of a hundred batches or more: of fewer, it is the worst. */
  readonly p99Millis?: number
  readonly recordsPerSecond: number
  readonly handRecordsPerSecond?: number
  /** Above 1: the engine is faster than the loop. The median of the rounds. */
  readonly ratio?: number
  /** The rounds' ratios, from the lowest to the highest. */
  readonly spread?: string
  /** What this machine is now: the speed of a loop written by hand, to its speed on a quiet machine. */
  readonly machine: number
  readonly peakRssMiB: number
  readonly runtime: "node" | "deno"
  readonly version: string
  readonly note?: string
}

/** Lines a second of loops written by hand, on a quiet machine of the kind that the workloads were defined on, Node 24. */
export const quietLinesPerSecond = { "grep-mem": 15_000_000, "wordcount-mem": 510_000 } as const

export const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN
}

export const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

/** Median, worst and, where there are enough to tell it from the worst, the 99th of a hundred. */
export const timesOf = (millis: ReadonlyArray<number>) => ({
  batches: millis.length,
  medianMillis: median(millis),
  worstMillis: Math.max(...millis),
  ...(millis.length >= 100 ? { p99Millis: quantile(millis, 0.99) } : {})
})

/** What this bench runs on. */
export const host = (): Pick<Row, "runtime" | "version"> => {
  const deno = (globalThis as { Deno?: { version: { deno: string } } }).Deno
  if (deno !== undefined) return { runtime: "deno", version: deno.version.deno }
  return { runtime: "node", version: process.versions.node }
}

/** Engine and loop did the same records, one after the other. */
export interface Round {
  readonly engine: ReadonlyArray<number>
  readonly hand: ReadonlyArray<number>
  readonly peakRssMiB: number
  readonly machine: number
}

export const summary = (
  run: Pick<Row, "workload" | "master" | "records"> & { readonly rounds: ReadonlyArray<Round> }
): Row => {
  const { master, records, rounds, workload } = run
  const times = timesOf(rounds.flatMap(({ engine }) => engine))
  const ratios = rounds.map(({ engine, hand }) => median(hand) / median(engine))
  return {
    workload,
    master,
    records,
    ...times,
    recordsPerSecond: records / times.medianMillis * 1000,
    handRecordsPerSecond: records / median(rounds.flatMap(({ hand }) => hand)) * 1000,
    ratio: median(ratios),
    spread: `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`,
    machine: median(rounds.map(({ machine }) => machine)),
    peakRssMiB: Math.max(...rounds.map(({ peakRssMiB }) => peakRssMiB)),
    ...host()
  }
}

const short = (value: unknown): unknown =>
  typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value

export const print = (rows: ReadonlyArray<Row>, json: boolean): void => {
  if (json) return rows.forEach((row) => process.stdout.write(JSON.stringify(row) + "\n"))
  console.table(rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, short(value)]))))
}
