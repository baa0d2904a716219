/**
 * `dstreams run`: where program, placement, listeners, signals and the demo's server are put together.
 *
 * The program is loaded by the driver first, so that a mistake in it is told once and by name; then executors load it. Signals
 * are heard from the start on. The result is the exit code.
 */
import { Cause, ConfigProvider, Console, Effect, Exit, Queue, type Scope } from "effect"
import { JobFailed } from "../../core/dstream/Batch.ts"
import { type AnyStreamingApp, type StreamingApp, withBatchDuration } from "../../core/dstream/StreamingApp.ts"
import type { OutputOperationInfo } from "../../core/scheduling/BatchInfo.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import { merge } from "../../core/settings/Settings.ts"
import type { StopReport } from "../../runtime/driver/Engine.ts"
import { ConsoleWritten } from "../../runtime/driver/outputs/ConsoleWritten.ts"
import * as StreamingContext from "../../runtime/driver/StreamingContext.ts"
import { configProvider, load, urlOf } from "../threads/ProgramModule.ts"
import { masterText, type RunCommand, type UsageError } from "./arguments.ts"
import * as Configuration from "./Configuration.ts"
import * as LineServer from "./LineServer.ts"
import { failureOf, notices, say, sayStatus, unreadOf, withoutPlace } from "./messages.ts"
import { placementOf } from "./placementOf.ts"
import { consoleWritten, isUnread } from "./process/consoleWritten.ts"
import { outputConsole } from "./process/OutputConsole.ts"
import * as StopSignals from "./process/StopSignals.ts"

export const runProgram = (command: RunCommand): Effect.Effect<number, UsageError> =>
  Effect.flatMap(Configuration.read(command), (configuration) =>
    Effect.scoped(run(command, configuration)).pipe(
      Effect.exit,
      Effect.map((exit) => {
        if (Exit.isSuccess(exit)) return exit.value
        if (isUnread(exit.cause)) return 0
        say(failureOf(exit.cause, command.debug))
        return 1
      })
    ))

const run = Effect.fnUntraced(function* (command: RunCommand, configuration: Configuration.Configuration) {
  const requests = yield* StopSignals.make
  const options = { ...(command.demo ? yield* demoConfig : {}), ...command.config }
  const config = { ...configuration.config, ...options }
  const url = urlOf(command.program)
  const reads = new Set<string>()
  const program = yield* load(url, config, reads)
  const app = withBatchDuration(program.app, command.batchMillis)
  const settings = merge([configuration.settings, app.settings])
  const { onBatchFailure, stopGracefullyOnShutdown = true } = settings
  const noticeOf = notices({ skips: onBatchFailure === "skip", batchMillis: app.batchMillis })
  let failed: OutputOperationInfo | undefined
  const sayNotice = (event: StreamingEvent) => {
    if (event.kind === "OutputOperationCompleted" && event.operation.failureReason !== undefined) {
      failed ??= event.operation
    }
    // By then the app's layer is built, which may read its Config too.
    const said = event.kind === "StreamingStarted"
      ? [unreadOf(options, reads), withoutPlace(app, settings.checkpointDirectory)]
      : [noticeOf(event)]
    for (const notice of said) if (notice !== undefined) say(notice)
  }
  const status = command.status ?? process.stderr.isTTY === true
  return yield* live(app, { requests, stopGracefullyOnShutdown }, {
    settings: configuration.settings,
    batches: command.batches,
    codeFingerprint: program.codeFingerprint,
    program: url,
    master: masterText(command.master),
    config,
    listeners: status ? [sayNotice, sayStatus] : [sayNotice]
  }).pipe(
    Effect.provide(placementOf(command.master, app, url)),
    Effect.provideService(ConfigProvider.ConfigProvider, configProvider(config, reads)),
    Effect.provideService(Console.Console, outputConsole),
    Effect.provideService(ConsoleWritten, consoleWritten),
    // What an output's own Effect failed with does not say where.
    Effect.tapCause((cause) =>
      Effect.sync(() => {
        if (failed === undefined || isUnread(cause) || Cause.squash(cause) instanceof JobFailed) return
        say(`batch ${failed.time} ms failed in output ${failed.output}:`)
      })
    )
  )
})

const demoConfig = Effect.map(LineServer.make(), ({ host, port }) => ({ HOST: host, PORT: String(port) }))

interface Stops {
  readonly requests: Queue.Dequeue<StopSignals.StopRequest>
  /** Whether the first request is obeyed gracefully. */
  readonly stopGracefullyOnShutdown: boolean
}

/** From start to end; 0 if nothing was left undone. */
const live = Effect.fnUntraced(function* (
  app: AnyStreamingApp,
  stops: Stops,
  options: StreamingContext.RunOptions
) {
  const context = yield* StreamingContext.make(app as StreamingApp<unknown, never>, options)
  let asked = false
  yield* Effect.forkScoped(obey(stops, context, () => asked = true))
  yield* context.start
  yield* context.awaitTermination
  // After --batches nothing more was wanted. Stopping what has stopped changes nothing, and tells how it was.
  const left = asked ? leftOf(yield* context.stop()) : undefined
  if (left === undefined) return 0
  say(left)
  return 1
})

const obey = (
  { requests, stopGracefullyOnShutdown }: Stops,
  context: StreamingContext.StreamingContext<unknown>,
  heard: () => void
): Effect.Effect<never, never, Scope.Scope> =>
  Effect.forever(Effect.gen(function* () {
    const request = yield* Queue.take(requests)
    const graceful = request !== "at once" && stopGracefullyOnShutdown
    heard()
    say(
      request === "output failed"
        ? "stopping: its output cannot be written any more"
        : graceful
        ? "stopping: what has been received is worked off first; the same signal once more stops at once"
        : "stopping at once"
    )
    yield* Effect.forkScoped(context.stop({ graceful }))
  }))

const leftOf = (report: StopReport): string | undefined => {
  const { activeReceivers, openBatches, unallocatedBlocks } = report
  if (openBatches.length === 0 && !unallocatedBlocks && activeReceivers.length === 0) return undefined
  const batches = openBatches.length === 0
    ? []
    : openBatches.length <= 5
    ? [`the batches ${openBatches.join(", ")}`]
    : [`${openBatches.length} batches, from ${openBatches[0]} to ${openBatches.at(-1)}`]
  const blocks = unallocatedBlocks ? ["received blocks that no batch had taken"] : []
  const receivers = activeReceivers.length === 0
    ? []
    : [`the receivers of ${activeReceivers.join(", ")}, which did not stop`]
  return `The program ended before its work was done; left are ${[...batches, ...blocks, ...receivers].join(" and ")}.`
}
