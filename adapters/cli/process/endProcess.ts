/**
 * endProcess: the end of the command: what was printed goes out, threads are ended, the process is gone within seconds.
 *
 * `process.exit` waits for threads, and for calls of the system that files are opened by: one that does not return (the opening of a
 * named pipe that nobody writes to) would hold it for ever. What is still there after `threadsMillis` is ended by the system: it
 * replaces the whole process, with all its threads, by one that ends with the exit code at once.
 */
import { setTimeout } from "node:timers/promises"
import type { Worker } from "node:worker_threads"
import { flushed, nobodyReads } from "./OutputConsole.ts"

/** How long `dstreams run` waits for a reader to take what was printed last. */
const flushMillis = 3000
/** How long threads and calls of the system may take to end. */
const threadsMillis = 2000

const threads = new Set<Worker>()

/** To be called before there are any. */
export const watchThreads = (): void => {
  process.on("worker", (thread: Worker) => {
    threads.add(thread)
    thread.on("exit", () => threads.delete(thread))
  })
}

type Say = (text: string) => void

/** `patient`: whoever reads may take as long as it likes. */
export const endProcess = async (
  code: number,
  { patient, say }: { readonly patient: boolean; readonly say: Say }
): Promise<never> => {
  const written = await (patient ? flushed() : Promise.race([flushed(), setTimeout(flushMillis, "late" as const)]))
  if (written === "late") say(`what it printed last was not read within ${flushMillis / 1000} s, and is lost`)
  else if (written !== undefined && !nobodyReads(written) && code === 0) {
    say(`its output could not be written: ${written.message}`)
    return endThreads(1, say)
  }
  return endThreads(code, say)
}

/** Does not wait for output. */
export const endThreads = async (code: number, say: Say): Promise<never> => {
  for (const thread of threads) void thread.terminate()
  for (let waited = 0; isBusy() && waited < threadsMillis; waited += 20) await setTimeout(20)
  if (!isBusy()) return process.exit(code)
  say("a thread, or a call of the system such as the opening of a file, does not end; it is left behind")
  return leave(code)
}

/** Whether something is under way that `process.exit` would wait for; requests are those of files, names and the like. */
const isBusy = (): boolean => threads.size > 0 || process.getActiveResourcesInfo().some((kind) => kind.includes("Req"))

const leave = (code: number): never => {
  // Deno and Windows do not have it, and their exit does not wait.
  process.execve?.(process.execPath, [process.execPath, "-e", `process.exit(${code})`], {})
  return process.exit(code)
}
