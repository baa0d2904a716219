/**
 * RollingFiles: many batches to one file. A file is seen when it is done, and holds whole batches: what is seen is always a beginning
 * of the stream, without gaps, in order. In the sink's hidden directory:
 *
 * | name | what |
 * | --- | --- |
 * | `epochs/` | see `WorkDirectory` |
 * | `batches/TIME/` | batches that are committed and in no file yet: see `BatchDirectory` |
 * | `rolled/FIRST-LAST.EXT` | a file that is done and not moved to where it is seen |
 * | `upto/TIME` | all batches up to this time are in files |
 *
 * To roll: the batches are copied, in order, to one file in the epoch's directory, which is synced and renamed to `rolled/`: from then
 * on they are in a file. The mark `upto/LAST` is made, the file renamed to where it is seen, the batches removed. A driver that
 * takes over, or the next commit, takes the steps after the first that are left; taking them twice does no harm. A driver that was
 * replaced cannot rename to `rolled/`. A file that a reader takes away is not made again.
 */
import { randomUUID } from "node:crypto"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import type { OutputContext } from "../../core/output/Sink.ts"
import type { Millis, Time } from "../../core/time/Time.ts"
import { makeDirectory } from "../storage/makeDirectory.ts"
import { readMarker, successFile } from "./BatchDirectory.ts"
import { SaveError } from "./SaveError.ts"
import * as WorkDirectory from "./WorkDirectory.ts"

/** A file is done as soon as one of these holds of the batches for it. */
export interface RollLimits {
  readonly batches: number
  readonly bytes: number
  /** Between the times of the first and the last batch. */
  readonly millis: Millis
}

/** Where files are seen, and their names' ending. */
export interface RollingPlace {
  readonly directory: string
  readonly work: string
  readonly ending: string
}

export const batchDirectory = (work: string, time: Time): string => path.join(work, "batches", String(time))
const rolledOf = (work: string): string => path.join(work, "rolled")
const uptoOf = (work: string): string => path.join(work, "upto")

/** All batches up to this time are in files. */
export const rolledUpTo = async (work: string): Promise<Time> => {
  const marks = (await WorkDirectory.names(uptoOf(work))).map(Number)
  const files = (await WorkDirectory.names(rolledOf(work))).map(lastOf)
  return Math.max(-1, ...[...marks, ...files].filter(Number.isFinite))
}

const lastOf = (name: string): Time => Number(/^\d+-(\d+)\./.exec(name)?.[1] ?? NaN)

/** Committed batches that are in no file yet, in order. */
export const pendingBatches = async (work: string): Promise<ReadonlyArray<Time>> => {
  const upTo = await rolledUpTo(work)
  const times = (await WorkDirectory.names(path.join(work, "batches"))).map(Number)
  return times.filter((time) => time > upTo).sort((a, b) => a - b)
}

/** Makes a file of the batches that are there, if they are enough. */
export const rollIfDue = async (place: RollingPlace, limits: RollLimits, context: OutputContext): Promise<void> => {
  const { ending, work } = place
  const times = await pendingBatches(work)
  if (!await isDue(work, times, limits)) return
  const own = path.join(WorkDirectory.ofEpoch(work, context.epoch), `rolling-${randomUUID()}`)
  const rolled = path.join(rolledOf(work), `${times[0]}-${times.at(-1)}${ending}`)
  try {
    await concatenate(own, times.map((time) => batchDirectory(work, time)))
    await makeDirectory(rolledOf(work))
    await WorkDirectory.publish(work, context, own, rolled)
  } catch (error) {
    await WorkDirectory.remove(own)
    throw error
  }
  await finish(place)
}

const isDue = async (work: string, times: ReadonlyArray<Time>, limits: RollLimits): Promise<boolean> => {
  if (times.length === 0) return false
  if (times.length >= limits.batches || times.at(-1)! - times[0]! >= limits.millis) return true
  if (limits.bytes === Infinity) return false
  const markers = await Promise.all(times.map((time) => readMarker(batchDirectory(work, time))))
  return markers.reduce((sum, marker) => sum + (marker?.bytes ?? 0), 0) >= limits.bytes
}

const concatenate = async (name: string, batches: ReadonlyArray<string>): Promise<void> => {
  const file = await fs.open(name, "wx")
  try {
    for (const batch of batches) {
      const parts = (await fs.readdir(batch)).filter((part) => part !== successFile)
      // By number: part-100000 comes after part-99999.
      parts.sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
      for (const part of parts) {
        await append(file, path.join(batch, part))
      }
    }
    await file.datasync()
  } finally {
    await file.close()
  }
}

/** Bytes that are copied at once. */
const chunkBytes = 1 << 20

const append = async (file: fs.FileHandle, name: string): Promise<void> => {
  const from = await fs.open(name, "r")
  try {
    const buffer = new Uint8Array(chunkBytes)
    for (;;) {
      const { bytesRead } = await from.read(buffer, 0, chunkBytes, null)
      if (bytesRead === 0) return
      await file.appendFile(buffer.subarray(0, bytesRead))
    }
  } finally {
    await from.close()
  }
}

/** Takes the steps that are left of files that are done. */
export const finish = async ({ directory, work }: RollingPlace): Promise<void> => {
  for (const name of await WorkDirectory.names(rolledOf(work))) {
    const seen = path.join(directory, name)
    const done = path.join(rolledOf(work), name)
    await makeDirectory(path.join(uptoOf(work), String(lastOf(name))))
    await WorkDirectory.syncDirectory(uptoOf(work))
    // Another driver may have moved it meanwhile.
    if (await isThere(seen) && await isThere(done)) throw inTheWay(seen)
    await fs.rename(done, seen).catch(WorkDirectory.absent)
    await WorkDirectory.syncDirectory(directory)
  }
  const upTo = await rolledUpTo(work)
  for (const time of await WorkDirectory.names(path.join(work, "batches"))) {
    if (Number(time) <= upTo) await WorkDirectory.remove(batchDirectory(work, Number(time)))
  }
  for (const time of await WorkDirectory.names(uptoOf(work))) {
    if (Number(time) < upTo) await WorkDirectory.remove(path.join(uptoOf(work), time))
  }
}

const isThere = async (name: string): Promise<boolean> => await fs.lstat(name).catch(WorkDirectory.absent) !== undefined

const inTheWay = (file: string) =>
  new SaveError({
    path: file,
    message: `cannot save ${file}: something else is there; it is left as it is: move it away`
  })
