/**
 * WorkDirectory: the hidden directory in which a file sink prepares what is not to be seen yet, and by which a driver that was replaced
 * is kept from publishing.
 *
 * `epochs/<8 digits>/` is where the driver of that epoch and its executors work; all that is ever published is renamed out of it.
 *
 * | who | steps, in this order |
 * | --- | --- |
 * | a driver, to publish | what is to be published lies in its epoch's directory; no later epoch's directory is there; rename |
 * | a later driver, to fence | makes its own epoch's directory; moves those of earlier epochs away |
 *
 * So a driver that was fenced either finds the later epoch, or looked before that was made: then what it prepared was there before
 * it was moved away, and its rename finds nothing. What it published before that, the later driver sees. All have to see one file
 * system, whose renames are atomic.
 */
import { randomUUID } from "node:crypto"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { Fenced, type OutputContext } from "../../core/output/Sink.ts"
import { makeDirectory } from "../storage/makeDirectory.ts"

type Epoch = Pick<OutputContext, "epoch" | "output">

const epochs = (work: string): string => path.join(work, "epochs")
const digits = (epoch: number): string => String(epoch).padStart(8, "0")

/** Where the driver of an epoch and its executors prepare. */
export const ofEpoch = (work: string, epoch: number): string => path.join(epochs(work), digits(epoch))

/** After this no driver of an older epoch publishes anything. Throws `Fenced` where there is a later one. */
export const fence = async (work: string, context: Epoch): Promise<void> => {
  await makeDirectory(ofEpoch(work, context.epoch))
  await syncDirectory(epochs(work))
  await refuseIfFenced(work, context)
  for (const epoch of await epochsIn(work)) {
    if (epoch >= context.epoch) continue
    const gone = path.join(work, `gone-${digits(epoch)}-${randomUUID()}`)
    await fs.rename(ofEpoch(work, epoch), gone).catch(absent)
  }
  for (const name of await names(work)) {
    if (name.startsWith("gone-")) await remove(path.join(work, name))
  }
}

/** Renames what lies in the epoch's directory; it fails where a directory of that name is there. */
export const publish = async (work: string, context: Epoch, from: string, to: string): Promise<void> => {
  await refuseIfFenced(work, context)
  try {
    await fs.rename(from, to)
  } catch (error) {
    await refuseIfFenced(work, context)
    throw error
  }
  await syncDirectory(path.dirname(to))
}

/** Throws `Fenced` where a later driver has come. */
export const refuseIfFenced = async (work: string, context: Epoch): Promise<void> => {
  const current = Math.max(...await epochsIn(work), context.epoch)
  if (current > context.epoch) throw Fenced.of(context, current)
}

const epochsIn = async (work: string): Promise<ReadonlyArray<number>> =>
  (await names(epochs(work))).filter((name) => /^\d{8,}$/.test(name)).map(Number)

/** What is in a directory; nothing, if it is not there. */
export const names = async (directory: string): Promise<ReadonlyArray<string>> =>
  await fs.readdir(directory).catch(absent) ?? []

/** What is left over of work that is done: if it cannot be removed now, it is when the next driver comes. */
export const remove = (name: string): Promise<void> => fs.rm(name, { recursive: true, force: true }).catch(() => {})

/** For what need not be there. */
export const absent = (error: unknown): undefined => {
  if ((error as { readonly code?: unknown }).code === "ENOENT") return undefined
  throw error
}

/** The names in it survive a loss of power, where the system can promise that of a directory. */
export const syncDirectory = async (name: string): Promise<void> => {
  const directory = await fs.open(name, "r").catch(() => undefined)
  await directory?.sync().catch(() => {})
  await directory?.close()
}
