/**
 * The module that a worker thread runs: an executor of `local[n]`. Nothing imports it; `ThreadPlacement` names its URL.
 */
import { runExecutor } from "../../runtime/executor/bootstrap.ts"
import { runThread } from "./executorThread.ts"

runThread(runExecutor)
