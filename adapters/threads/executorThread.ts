/**
 * The life of an executor in a worker thread: Start comes, the program's module is loaded and its graph built, code and graph
 * are compared with the driver's, the executor runs until it is told to stop, the thread exits.
 *
 * A program that differs is answered with ExecutorRefused and the difference. A program that cannot be loaded, or an executor
 * that fails, is told by Failed, and the thread exits with 1. An error that nobody catches (a user's timer, a promise) ends the
 * thread as the platform does it; the driver's side hears of both.
 */
import { parentPort } from "node:worker_threads"
import { Cause, ConfigProvider, Effect, Exit, type Scope } from "effect"
import * as DStreamGraph from "../../core/dstream/DStreamGraph.ts"
import { type AnyStreamingApp, withBatchDuration } from "../../core/dstream/StreamingApp.ts"
import type { Handshake } from "../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorLink } from "../../runtime/executor/ExecutorLink.ts"
import { configProvider, load } from "./ProgramModule.ts"
import * as ThreadLink from "./ThreadLink.ts"

/** Runs one executor until it is told to stop. */
export type RunExecutor = (options: {
  readonly app: AnyStreamingApp
  readonly handshake: Handshake
  readonly link: ExecutorLink
}) => Effect.Effect<unknown, unknown, Scope.Scope>

/** To be called once, when the thread's module is loaded. */
export const runThread = (runExecutor: RunExecutor): void => {
  const port = parentPort
  if (port === null) throw new Error("this module runs executors in worker threads; start it by ThreadPlacement")
  const toDriver = (message: ThreadLink.FromThread) => ThreadLink.give(port, message)
  let hear: ((message: ThreadLink.ToThread) => void) | undefined
  port.on("message", (message: ThreadLink.ToThread) => {
    if (message.kind !== "Start") return hear?.(message)
    const made = ThreadLink.make(message, toDriver)
    hear = made.hear
    const running = Effect.runFork(executor(message, made.link, runExecutor))
    running.addObserver((exit) => {
      if (Exit.isFailure(exit)) toDriver({ kind: "Failed", reason: reasonOf(exit.cause) })
      process.exit(Exit.isFailure(exit) ? 1 : 0)
    })
  })
}

const executor = Effect.fnUntraced(function* (start: ThreadLink.Start, link: ExecutorLink, runExecutor: RunExecutor) {
  const { handshake, program } = start
  const loaded = yield* load(program, handshake.config)
  const app = withBatchDuration(loaded.app, handshake.batchMillis)
  const difference = loaded.codeFingerprint === handshake.codeFingerprint
    ? graphDifference(handshake.manifest, DStreamGraph.make(app).manifest)
    : `the code of ${program} has changed since the driver loaded it; start the program anew`
  if (difference !== undefined) return link.toDriver({ kind: "ExecutorRefused", difference })
  yield* Effect.scoped(runExecutor({ app, handshake, link })).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, configProvider(handshake.config))
  )
})

const reasonOf = (cause: Cause.Cause<unknown>): string =>
  Cause.prettyErrors(cause).map((error) => error.message).join("; ") || "it was interrupted"

/** Where two graphs differ first, as a sentence; undefined: nowhere. */
export const graphDifference = (
  driver: DStreamGraph.Manifest,
  executor: DStreamGraph.Manifest
): string | undefined => {
  const steps = <A>(items: ReadonlyArray<A>) => items.map((item) => JSON.stringify(item))
  const compare = (what: string, ours: ReadonlyArray<string>, theirs: ReadonlyArray<string>) => {
    const at = Array.from({ length: Math.max(ours.length, theirs.length) }, (_, i) => i).find((i) =>
      ours[i] !== theirs[i]
    )
    return at === undefined
      ? undefined
      : `${what} ${at} is ${theirs[at] ?? "missing"} on the executor, and ${ours[at] ?? "missing"} on the driver; ` +
        "build the graph from Config alone, without chance, time or the environment of one thread"
  }
  return compare("the app", steps([driver.app, driver.batchMillis]), steps([executor.app, executor.batchMillis])) ??
    compare("operator", steps(driver.operators), steps(executor.operators)) ??
    compare("output", steps(driver.outputs), steps(executor.outputs))
}
