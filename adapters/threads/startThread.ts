/**
 * startThread: the worker threads that executors run in, and those that are started early.
 *
 * Most of a start is loading modules. An early thread loads the engine while the command still loads itself, and waits to be told who it
 * is: the executor of its name takes it. One that ended before is not taken; the thread that is started in its place ends as it did, and
 * is heard. So nothing of the engine is imported here.
 */
import { Worker } from "node:worker_threads"
import { compileCacheFolder } from "./compileCache.ts"

/** What a thread is told before it loads anything. */
export interface ThreadData {
  readonly compileCache: string | undefined
}

/** What a batch makes is soon garbage: more room for it costs memory in each thread and was not seen to save time. */
const maxYoungGenerationSizeMb = 48

const early = new Map<string, Worker>()

/** A thread for the executor of this name. */
export const startEarly = (name: string): Worker => {
  const thread = newThread(name, workerUrl())
  early.set(name, thread)
  for (const end of ["error", "exit"]) thread.on(end, () => early.get(name) === thread && early.delete(name))
  return thread
}

/** `module` is what the thread runs: the engine, if nothing else is said. */
export const startThread = (name: string, module?: URL): Worker => {
  const waiting = module === undefined ? early.get(name) : undefined
  early.delete(name)
  return waiting ?? newThread(name, module ?? workerUrl())
}

const newThread = (name: string, module: URL): Worker => {
  const workerData: ThreadData = { compileCache: compileCacheFolder() }
  return new Worker(module, { name, workerData, resourceLimits: { maxYoungGenerationSizeMb } })
}

const workerUrl = () => new URL("./worker.ts", import.meta.url)
