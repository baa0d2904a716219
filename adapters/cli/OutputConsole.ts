/**
 * OutputConsole: the Console of a program that runs under `dstreams run`: what it logs goes through the process's stdout stream.
 *
 * The platform's own console hides that nobody reads any more (Deno's does); the stream tells (see `StopSignals`).
 */
import { format } from "node:util"
import { Console } from "effect"

export const outputConsole: Console.Console = Object.assign(Object.create(globalThis.console) as Console.Console, {
  log: (...args: ReadonlyArray<unknown>) => void process.stdout.write(`${format(...args)}\n`)
})

/** Waits until all that was written has gone out, or cannot. */
export const flushed = (): Promise<void> => new Promise((resolve) => process.stdout.write("", () => resolve()))
