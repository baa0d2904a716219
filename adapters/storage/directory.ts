/**
 * directory: blocks as files in a folder of their own, one file each, for as long as the scope: the folder is made when it opens
 * and removed when it closes. Nothing is synced: spilled blocks are not durable.
 *
 * A file's name is the block's, with what a file system may not bear escaped; a long one is cut and completed by its digest.
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { Effect, type Scope } from "effect"
import { describeError } from "../../core/protocol/describeError.ts"
import { type BlockStorage, BlockStorageError } from "../../runtime/storage/BlockStorage.ts"
import { makeDirectory } from "./makeDirectory.ts"

/** Common file systems allow 255 bytes. */
const nameLengthMax = 200

const fileName = (name: string): string => {
  const escaped = encodeURIComponent(name).replaceAll(
    /[.*]/g,
    (character) => `%${character.charCodeAt(0).toString(16)}`
  )
  if (escaped.length <= nameLengthMax) return escaped
  const digest = createHash("sha256").update(name).digest("hex")
  return `${escaped.slice(0, nameLengthMax - digest.length - 1)}-${digest}`
}

const attempt = <A>(what: string, work: () => Promise<A>): Effect.Effect<A, BlockStorageError> =>
  Effect.tryPromise({
    try: work,
    catch: (error) => new BlockStorageError({ message: `${what} failed: ${describeError(error)}` })
  })

/** A fresh folder in `parent`, which is made if need be. */
export const directory = (parent: string): Effect.Effect<BlockStorage, BlockStorageError, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      attempt(`making a folder for blocks in ${parent}`, async () => {
        await makeDirectory(parent)
        return fs.mkdtemp(path.join(parent, "blocks-"))
      }),
      (folder) => Effect.ignore(attempt("removing", () => fs.rm(folder, { recursive: true, force: true })))
    ),
    filesIn
  )

/** A folder that others write to as well, made if need be; it stays. A file is complete as soon as it has its name. */
export const sharedDirectory = (folder: string): Effect.Effect<BlockStorage, BlockStorageError> =>
  Effect.as(attempt(`making the folder ${folder}`, () => makeDirectory(folder)), filesIn(folder))

const filesIn = (folder: string): BlockStorage => {
  const fileOf = (name: string) => path.join(folder, fileName(name))
  return {
    write: (name, bytes) => attempt(`writing ${name}`, () => writeWhole(fileOf(name), bytes)),
    read: (name) => attempt(`reading ${name}`, () => readIfThere(fileOf(name))),
    remove: (name) => attempt(`removing ${name}`, () => fs.rm(fileOf(name), { force: true }))
  }
}

const writeWhole = async (file: string, bytes: Uint8Array): Promise<void> => {
  try {
    await fs.writeFile(`${file}.part`, bytes)
    await fs.rename(`${file}.part`, file)
  } catch (error) {
    // A disk that is full shall not be filled further by what could not be written.
    await fs.rm(`${file}.part`, { force: true })
    throw error
  }
}

const readIfThere = async (file: string): Promise<Uint8Array | undefined> => {
  try {
    const { buffer, byteLength, byteOffset } = await fs.readFile(file)
    // Node's own kind of bytes is sliced without a copy.
    return new Uint8Array(buffer, byteOffset, byteLength)
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return undefined
    throw error
  }
}
