/**
 * OutputConsole: the process's stdout: the one way by which the command and its program's Console write to it, and whether all of that
 * has gone out.
 *
 * The platform's own console hides that nobody reads any more (Deno's does), or that the disk is full; here the first failure is kept.
 */
import * as fs from "node:fs"
import { format } from "node:util"
import type { Console } from "effect"

let failure: NodeJS.ErrnoException | undefined

/** To be called once, before anything is written: without it a failure ends the process with the platform's words. */
export const watchOutput = (): void => {
  process.stdout.on("error", (error) => failure ??= error)
  // Whoever no longer hears what the command says does not end the program.
  process.stderr.on("error", () => {})
}

/** A disk that becomes full takes a part of what it is given, which the stream of a file does not look at. */
const isFile = ((): boolean => {
  try {
    return fs.fstatSync(1).isFile()
  } catch {
    return false
  }
})()

const writeFile = (text: string): void => {
  let bytes = Buffer.from(text)
  while (bytes.length > 0) bytes = bytes.subarray(fs.writeSync(1, bytes))
}

export const write = (text: string): void => {
  try {
    if (isFile) writeFile(text)
    else process.stdout.write(text)
  } catch (error) {
    process.stdout.emit("error", error)
  }
}

/** Waits until all that was written has gone out, or cannot: then with the first failure there was. */
export const flushed = (): Promise<NodeJS.ErrnoException | undefined> =>
  new Promise((resolve) => {
    // Deno's stream would say nothing more.
    if (failure !== undefined) return resolve(failure)
    const end = (error?: unknown) => resolve(process.stdout.errored ?? (error as Error | null) ?? undefined)
    try {
      process.stdout.write("", end)
    } catch (error) {
      end(error)
    }
  })

export const outputConsole: Console.Console = Object.assign(Object.create(globalThis.console) as Console.Console, {
  log: (...args: ReadonlyArray<unknown>) => write(`${format(...args)}\n`)
})

/** The reader went away, which is no mistake: `dstreams run ... | head`. */
export const nobodyReads = (error: { readonly code?: string | undefined } | undefined): boolean =>
  error?.code === "EPIPE"
