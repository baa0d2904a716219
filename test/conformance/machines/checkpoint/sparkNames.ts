/**
 * Names of checkpoint files: Spark's have the time of a batch, and those that were written before for the same name end in `.bk`;
 * ours are numbered in the order in which they were written.
 */
import * as names from "../../../../core/checkpoint/names.ts"

/** A name of Spark's as ours, in the same order; another file is no checkpoint of ours either. */
export const inOurNames = (name: string): string => {
  const [, time, backup] = /^checkpoint-(\d+)(\.bk)?$/.exec(name) ?? []
  if (time === undefined) return `${names.epochFolder(1)}checkpoints/${name}`
  return names.checkpoint(1, 2 * Number(time) + (backup === undefined ? 1 : 0))
}

/** What Spark calls files that were written for these times, in this order. */
export const inSparkNames = (times: ReadonlyArray<number>): ReadonlyArray<string> => {
  const newest = times.map((_, i) => Math.max(...times.slice(0, i + 1)))
  return newest.map((time, i) => `checkpoint-${time}${newest[i + 1] === time ? ".bk" : ""}`)
}
