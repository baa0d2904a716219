/**
 * A thread that runs the jobs that it is sent, one at a time, and sends back what came of each.
 */
import { parentPort } from "node:worker_threads"
import { type Job, run } from "./Job.ts"

parentPort!.on("message", (job: Job) => {
  void run(job).then((result) => parentPort!.postMessage(result))
})
