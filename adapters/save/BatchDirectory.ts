/**
 * BatchDirectory: one directory per batch, which is seen whole or not at all.
 *
 * | step | where | what |
 * | --- | --- | --- |
 * | write | executor | a partition goes to a name of its own in a hidden staging directory beside the target, is synced, and is renamed to `part-NNNNN` |
 * | commit | driver | what is no part of this batch leaves the staging directory, `_SUCCESS` joins it, and it is renamed to the target |
 *
 * So a task that is tried again leaves one copy, and so does one that was thought lost and goes on. `_SUCCESS` says which
 * app, output and batch made the directory: when that batch runs again it is replaced, and every other directory or file of this
 * name is left as it is, and is an error. All executors and the driver have to see one file system; two programs must not save
 * under one prefix. Survives: a crash between any two steps, after which the batch runs again.
 */
import { randomUUID } from "node:crypto"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { Effect } from "effect"
import type { CommitContext, PartitionContext } from "../../core/output/Sink.ts"
import { makeDirectory } from "../storage/makeDirectory.ts"
import { partFileName } from "./batchFileName.ts"
import type { Encode } from "./formats.ts"
import { SaveError, saveErrorOf } from "./SaveError.ts"

const successFile = "_SUCCESS"

/** Bytes, or characters, of a file that are written at once. */
const chunkLength = 1 << 20

/** Beside the target, so that renaming is one step; hidden, so that nobody reads what is not done. */
const besideOf = (target: string, output: string, what: string): string =>
  path.join(path.dirname(target), `.${path.basename(target)}.${encodeURIComponent(output).slice(0, 60)}.${what}`)

const stagingOf = (target: string, output: string): string => besideOf(target, output, "partial")

const attempt = <A>(file: string, work: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, SaveError> =>
  Effect.tryPromise({ try: work, catch: (cause) => saveErrorOf(file, cause) })

/** A partition of the batch, whole and durable. */
export const writePartition = (
  target: string,
  { output, partition }: Pick<PartitionContext, "output" | "partition">,
  records: ReadonlyArray<unknown>,
  encode: Encode
): Effect.Effect<void, SaveError> => {
  const staging = stagingOf(target, output)
  const part = path.join(staging, partFileName(partition))
  return attempt(path.join(target, partFileName(partition)), async (signal) => {
    const own = path.join(staging, `.${partFileName(partition)}-${randomUUID()}`)
    await makeDirectory(staging)
    try {
      await writeFile(own, records, encode, signal)
      signal.throwIfAborted()
      await fs.rename(own, part)
    } catch (error) {
      await fs.rm(own, { force: true }).catch(() => {})
      throw error
    }
  })
}

const writeFile = async (name: string, records: ReadonlyArray<unknown>, encode: Encode, signal: AbortSignal) => {
  const file = await fs.open(name, "wx")
  try {
    let texts = ""
    let bytes: Array<Uint8Array> = []
    let bytesLength = 0
    const flush = async () => {
      signal.throwIfAborted()
      if (texts !== "") await file.appendFile(texts)
      if (bytesLength > 0) await file.appendFile(Buffer.concat(bytes))
      texts = ""
      bytes = []
      bytesLength = 0
    }
    for (let i = 0; i < records.length; i++) {
      const encoded = encode(records[i])
      if (typeof encoded === "string") texts += encoded
      else bytesLength += bytes[bytes.push(encoded) - 1]!.length
      if (texts.length + bytesLength >= chunkLength) await flush()
    }
    await flush()
    await file.datasync()
  } finally {
    await file.close()
  }
}

/** Which batch made a directory. */
interface Marker {
  readonly by: "dstreams"
  readonly app: string
  readonly output: string
  readonly time: number
}

/** The batch becomes visible, in place of what an earlier run of it left. */
export const commit = (
  target: string,
  { app, numPartitions, output, time }: Pick<CommitContext, "app" | "numPartitions" | "output" | "time">
) =>
  attempt(target, async () => {
    const staging = stagingOf(target, output)
    const marker: Marker = { by: "dstreams", app, output, time }
    await makeDirectory(staging)
    await keepParts(staging, target, numPartitions)
    await writeFile(path.join(staging, successFile), [marker], (record) => `${JSON.stringify(record)}\n`, never)
    const replaced = besideOf(target, output, "replaced")
    if (await isOwn(target, marker)) {
      await fs.rm(replaced, { recursive: true, force: true })
      await fs.rename(target, replaced)
    }
    await fs.rename(staging, target)
    await fs.rm(replaced, { recursive: true, force: true })
    await syncDirectory(path.dirname(target))
  })

const never = new AbortController().signal

/** Removes what dead attempts and earlier runs with more partitions left; every partition of this run has to be there. */
const keepParts = async (staging: string, target: string, numPartitions: number) => {
  const parts = new Set(Array.from({ length: numPartitions }, (_, partition) => partFileName(partition)))
  for (const name of await fs.readdir(staging)) {
    if (!parts.delete(name)) await fs.rm(path.join(staging, name), { recursive: true, force: true })
  }
  const [missing] = parts
  if (missing === undefined) return
  const message = `cannot save ${target}: its ${missing} was written on an executor and is not seen by the driver; ` +
    "save to a file system that all of them share"
  throw new SaveError({ path: target, message })
}

/** Whether the target was made by an earlier run of this batch; a SaveError if it was made by anything else. */
const isOwn = async (target: string, marker: Marker): Promise<boolean> => {
  const found = await fs.lstat(target).catch(absent)
  if (found === undefined) return false
  const theirs = found.isDirectory() ? await readMarker(path.join(target, successFile)) : undefined
  if (theirs !== undefined && JSON.stringify(theirs) === JSON.stringify(marker)) return true
  const what = !found.isDirectory()
    ? "there is a file of that name"
    : theirs === undefined
    ? "there is a directory of that name, which no output of dstreams made"
    : `there is a directory of that name, made by output ${theirs.output} of app "${theirs.app}" at ${theirs.time} ms`
  const message = `cannot save ${target}: ${what}; it is left as it is: move it away, or save under another prefix`
  throw new SaveError({ path: target, message })
}

const readMarker = async (file: string): Promise<Marker | undefined> => {
  const text = await fs.readFile(file, "utf8").catch(absent)
  try {
    const { app, by, output, time } = JSON.parse(text ?? "null") ?? {}
    return by === "dstreams" ? { by, app, output, time } : undefined
  } catch {
    return undefined
  }
}

const absent = (error: unknown): undefined => {
  if ((error as { readonly code?: unknown }).code === "ENOENT") return undefined
  throw error
}

/** The rename survives a loss of power, where the system can promise that of a directory. */
const syncDirectory = async (name: string) => {
  const directory = await fs.open(name, "r").catch(() => undefined)
  await directory?.sync().catch(() => {})
  await directory?.close()
}
