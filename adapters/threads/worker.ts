/**
 * The module that a worker thread runs: an executor of `local[n]`. Nothing imports it; `startThread` names its URL.
 *
 * What was compiled before is looked for before anything of the engine is imported.
 */
import { workerData } from "node:worker_threads"
import { useCompileCache } from "./compileCache.ts"
import type { ThreadData } from "./startThread.ts"

const { compileCache } = workerData as ThreadData
if (compileCache !== undefined) useCompileCache(compileCache)

const [{ runExecutor }, { runThread }] = await Promise.all([
  import("../../runtime/executor/bootstrap.ts"),
  import("./executorThread.ts")
])
runThread(runExecutor)
