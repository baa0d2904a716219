/**
 * BatchDirectory: one directory per batch, which is seen whole or not at all.
 *
 * | step | where | what |
 * | --- | --- | --- |
 * | write | executor | a partition goes to a name of its own in the driver's epoch of the work directory, and is synced |
 * | commit | driver | the files that executors named become `part-NNNNN` of a new directory, `_SUCCESS` joins them, and it is renamed to the target |
 *
 * So a task that is tried again leaves one copy, and one that was thought lost and goes on changes nothing. `_SUCCESS` says which
 * app, output and batch made the directory: when that batch runs again its directory is left as it is, and so is every other directory
 * or file of this name, which is an error. All executors and the driver have to see one file system; two programs must not save
 * under one prefix. Survives: a crash between any two steps, after which the batch runs again; a driver that was replaced and does not
 * know it (`WorkDirectory`).
 */
import { randomUUID } from "node:crypto"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { Effect, Option, Schema } from "effect"
import { type CommitContext, Fenced, type PartitionContext } from "../../core/output/Sink.ts"
import { makeDirectory } from "../storage/makeDirectory.ts"
import { partFileName } from "./batchFileName.ts"
import type { Encode } from "./formats.ts"
import { SaveError, saveErrorOf } from "./SaveError.ts"
import * as WorkDirectory from "./WorkDirectory.ts"
import { writeRecords } from "./writeRecords.ts"

/** Where a batch is to be seen, and the work directory beside it, on the same file system. */
export interface Place {
  readonly target: string
  readonly work: string
}

/** A partition that was written. */
export interface PreparedFile {
  /** In the batch's part of the work directory. */
  readonly file: string
  readonly records: number
  readonly bytes: number
}

/** Who made a directory, and how much it holds. */
const Marker = Schema.Struct({
  by: Schema.Literal("dstreams"),
  app: Schema.String,
  output: Schema.String,
  time: Schema.Int,
  commitId: Schema.String,
  records: Schema.Natural,
  bytes: Schema.Natural
})

export type Marker = typeof Marker.Type

/** No marker is longer. */
const markerBytesMax = 64 * 1024

const decodeMarker = Schema.decodeUnknownOption(Schema.fromJsonString(Marker))

export const successFile = "_SUCCESS"

/** What the system refuses is told as an error of the file. */
export const attempt = <A>(
  file: string,
  work: (signal: AbortSignal) => Promise<A>
): Effect.Effect<A, SaveError | Fenced> =>
  Effect.tryPromise({ try: work, catch: (cause) => cause instanceof Fenced ? cause : saveErrorOf(file, cause) })

const workOf = ({ target, work }: Place, epoch: number): string =>
  path.join(WorkDirectory.ofEpoch(work, epoch), path.basename(target))

/** A partition of the batch, whole and durable. */
export const writePartition = (
  place: Place,
  { attempt: number, epoch, partition }: Pick<PartitionContext, "attempt" | "epoch" | "partition">,
  records: ReadonlyArray<unknown>,
  encode: Encode
): Effect.Effect<PreparedFile, SaveError | Fenced> => {
  const part = partFileName(partition)
  return attempt(path.join(place.target, part), async (signal) => {
    const parts = path.join(workOf(place, epoch), "parts")
    const file = `${part}-${number}-${randomUUID()}`
    await makeDirectory(parts)
    try {
      const bytes = await writeRecords(path.join(parts, file), records, encode, signal)
      signal.throwIfAborted()
      return { file, records: records.length, bytes }
    } catch (error) {
      await WorkDirectory.remove(path.join(parts, file))
      throw error
    }
  })
}

/** The batch becomes visible, unless it is already. */
export const commit = (
  place: Place,
  batch: Omit<CommitContext, "numPartitions">,
  prepared: ReadonlyArray<PreparedFile>
): Effect.Effect<void, SaveError | Fenced> =>
  attempt(place.target, async () => {
    const { target, work } = place
    const own = workOf(place, batch.epoch)
    if (!await isOwn(target, batch)) {
      await WorkDirectory.refuseIfFenced(work, batch)
      const whole = await assemble(place, own, batch, prepared)
      await WorkDirectory.publish(work, batch, whole, target).catch(async (error) => {
        // Somebody was faster; if it was this very batch, all is well.
        if (error instanceof Fenced || !await isOwn(target, batch)) throw error
      })
    }
    await discard(place, batch.epoch)
  })

/** Removes what was prepared of a batch. */
export const discard = (place: Place, epoch: number): Promise<void> => WorkDirectory.remove(workOf(place, epoch))

/** The directory as it is to be seen. */
const assemble = async (
  { target }: Place,
  own: string,
  { app, commitId, output, time }: Omit<CommitContext, "numPartitions">,
  prepared: ReadonlyArray<PreparedFile>
): Promise<string> => {
  const whole = path.join(own, "whole")
  await fs.rm(whole, { recursive: true, force: true })
  await makeDirectory(whole)
  await makeDirectory(path.dirname(target))
  await Promise.all(prepared.map(async ({ file }, partition) => {
    const part = path.join(whole, partFileName(partition))
    await fs.rename(path.join(own, "parts", file), part).catch((error) => {
      throw error.code === "ENOENT" ? unseen(target, partition) : error
    })
  }))
  const sum = (of: "bytes" | "records") => prepared.reduce((total, file) => total + file[of], 0)
  const marker: Marker = { by: "dstreams", app, output, time, commitId, records: sum("records"), bytes: sum("bytes") }
  const line = (record: unknown) => `${JSON.stringify(record)}\n`
  await writeRecords(path.join(whole, successFile), [marker], line, never)
  await WorkDirectory.syncDirectory(whole)
  return whole
}

const never = new AbortController().signal

const unseen = (target: string, partition: number) =>
  new SaveError({
    path: target,
    message:
      `cannot save ${target}: its ${
        partFileName(partition)
      } was written on an executor and is not seen by the driver; ` +
      "save to a file system that all of them share"
  })

/** Whether the target was made by an earlier run of this batch; a SaveError if it was made by anything else. */
const isOwn = async (
  target: string,
  { app, output, time }: Pick<CommitContext, "app" | "output" | "time">
): Promise<boolean> => {
  const found = await fs.lstat(target).catch(WorkDirectory.absent)
  if (found === undefined) return false
  const theirs = found.isDirectory() ? await readMarker(target) : undefined
  if (theirs?.app === app && theirs.output === output && theirs.time === time) return true
  const what = !found.isDirectory()
    ? "there is a file of that name"
    : theirs === undefined
    ? "there is a directory of that name, which no output of dstreams made"
    : `there is a directory of that name, made by output ${theirs.output} of app "${theirs.app}" at ${theirs.time} ms`
  const message = `cannot save ${target}: ${what}; it is left as it is: move it away, or save under another prefix`
  throw new SaveError({ path: target, message })
}

/** undefined: no output of dstreams made it. */
export const readMarker = async (directory: string): Promise<Marker | undefined> => {
  const bytes = new Uint8Array(markerBytesMax + 1)
  const file = await fs.open(path.join(directory, successFile), "r").catch(WorkDirectory.absent)
  if (file === undefined) return undefined
  try {
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
    if (bytesRead > markerBytesMax) return undefined
    return Option.getOrUndefined(decodeMarker(new TextDecoder().decode(bytes.subarray(0, bytesRead))))
  } finally {
    await file.close()
  }
}
