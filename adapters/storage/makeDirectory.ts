/**
 * makeDirectory: a directory and its parents, made one by one.
 *
 * Node's own recursive `mkdir` never comes back, and keeps a thread of its pool, where a parent is there and yet nothing can be made in
 * it and the system says ENOENT, as in `/proc`. Here that is an error.
 */
import * as fs from "node:fs/promises"
import * as path from "node:path"

/** It is there afterwards, whoever made it. Fails with the system's error. */
export const makeDirectory = async (directory: string): Promise<void> => {
  try {
    await makeOne(directory)
  } catch (error) {
    const parent = path.dirname(directory)
    if (codeOf(error) !== "ENOENT" || parent === directory) throw error
    await makeDirectory(parent)
    await makeOne(directory)
  }
}

const makeOne = async (directory: string): Promise<void> => {
  try {
    await fs.mkdir(directory)
  } catch (error) {
    // systems differ in what they say of one that is there
    if (codeOf(error) === "ENOENT" || !await isDirectory(directory)) throw error
  }
}

const isDirectory = (directory: string): Promise<boolean> =>
  fs.stat(directory).then((found) => found.isDirectory(), () => false)

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown }).code
