/**
 * The life of an executor in a worker thread: Start comes, the program's module is loaded, its code is compared with the driver's,
 * the executor runs (and compares the graph) until it is told to stop, the thread exits.
 *
 * Code that differs is answered with ExecutorRefused and the difference. A program that cannot be loaded, or an executor
 * that fails, is told by Failed, and the thread exits with 1. An error that nobody catches (a user's timer, a promise) ends the
 * thread as the platform does it; the driver's side hears of both. What is logged in a thread goes to stderr: stdout is the
 * program's own.
 */
import { parentPort } from "node:worker_threads"
import { Cause, ConfigProvider, Effect, Exit, Logger, type Scope } from "effect"
import { type AnyStreamingApp, withBatchDuration } from "../../core/dstream/StreamingApp.ts"
import type { Handshake } from "../../core/protocol/ExecutorProtocol.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import type { ExecutorLink } from "../../runtime/executor/ExecutorLink.ts"
import { Checksum } from "../../runtime/storage/Checksum.ts"
import { SnapshotSpace } from "../../runtime/storage/snapshots/SnapshotSpace.ts"
import { SpillSpace } from "../../runtime/storage/SpillSpace.ts"
import { messagePack } from "../codec/MessagePack.ts"
import { stablePlaces } from "../storage/stablePlaces.ts"
import { nativeChecksum } from "../storage/nativeChecksum.ts"
import { snapshotSpaceIn, spillSpaceIn } from "../storage/spillSpace.ts"
import { configProvider, load } from "./ProgramModule.ts"
import * as ThreadLink from "./ThreadLink.ts"
import { wakefulness } from "./Wakefulness.ts"

/** Runs one executor until it is told to stop; border and room to spill are the thread's. */
export type RunExecutor = (options: {
  readonly app: AnyStreamingApp
  readonly handshake: Handshake
  readonly link: ExecutorLink
}) => Effect.Effect<unknown, unknown, Border | SpillSpace | SnapshotSpace | Scope.Scope>

/** To be called once, when the thread's module is loaded. */
export const runThread = (runExecutor: RunExecutor): void => {
  const port = parentPort
  if (port === null) throw new Error("this module runs executors in worker threads; start it by ThreadPlacement")
  const toDriver = (message: ThreadLink.FromThread) => {
    ThreadLink.give(port, message)
    wakefulness.sent()
  }
  let hear: ((message: ThreadLink.ToThread) => void) | undefined
  port.on("message", (message: ThreadLink.ToThread) => {
    wakefulness.heard()
    if (message.kind !== "Start") return hear?.(message)
    const made = ThreadLink.make(message, toDriver)
    hear = made.hear
    const life = executor(message, made.link, runExecutor).pipe(Effect.provideService(Logger.LogToStderr, true))
    const running = Effect.runFork(life)
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
  if (loaded.codeFingerprint !== handshake.codeFingerprint) {
    const difference = `the code of ${program} has changed since the driver loaded it; start the program anew`
    return link.toDriver({ kind: "ExecutorRefused", difference })
  }
  yield* Effect.gen(function* () {
    const spill = yield* spillSpaceIn(start.scratch)
    const snapshots = yield* snapshotSpaceIn(start.scratch)
    yield* runExecutor({ app, handshake, link }).pipe(
      Effect.provideService(SpillSpace, spill),
      Effect.provideService(SnapshotSpace, snapshots),
      Effect.provideService(Checksum, nativeChecksum)
    )
  }).pipe(
    Effect.scoped,
    Effect.provideService(Border, Border.coded(messagePack)),
    Effect.provide(stablePlaces),
    Effect.provideService(ConfigProvider.ConfigProvider, configProvider(handshake.config))
  )
})

const reasonOf = (cause: Cause.Cause<unknown>): string =>
  Cause.prettyErrors(cause).map((error) => error.message).join("; ") || "it was interrupted"
