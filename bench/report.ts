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
  readonly p99Millis: number
  readonly worstMillis: number
  readonly recordsPerSecond: number
  readonly handRecordsPerSecond?: number
  readonly ratio?: number
  readonly peakRssMiB: number
  readonly runtime: "node" | "deno"
  readonly version: string
  readonly note?: string
}

export const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN
}

/** What this bench runs on. */
export const host = (): Pick<Row, "runtime" | "version"> => {
  const deno = (globalThis as { Deno?: { version: { deno: string } } }).Deno
  if (deno !== undefined) return { runtime: "deno", version: deno.version.deno }
  return { runtime: "node", version: process.versions.node }
}

/** Engine and loop did the same records; `ratio` above 1: the engine is faster. */
export const summary = (run: {
  readonly workload: string
  readonly master: string
  readonly records: number
  readonly engine: ReadonlyArray<number>
  readonly hand: ReadonlyArray<number>
  readonly peakRssMiB: number
}): Row => {
  const median = quantile(run.engine, 0.5)
  const hand = quantile(run.hand, 0.5)
  return {
    workload: run.workload,
    master: run.master,
    batches: run.engine.length,
    records: run.records,
    medianMillis: median,
    p99Millis: quantile(run.engine, 0.99),
    worstMillis: Math.max(...run.engine),
    recordsPerSecond: run.records / median * 1000,
    handRecordsPerSecond: run.records / hand * 1000,
    ratio: hand / median,
    peakRssMiB: run.peakRssMiB,
    ...host()
  }
}

const short = (value: unknown): unknown =>
  typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value

export const print = (rows: ReadonlyArray<Row>, json: boolean): void => {
  if (json) return rows.forEach((row) => process.stdout.write(JSON.stringify(row) + "\n"))
  console.table(rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, short(value)]))))
}
