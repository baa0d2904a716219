/**
 * What the command says on stderr: failures as one sentence, notices of what went wrong and was put right, the status line.
 */
import { Cause, Effect, Exit } from "effect"
import { JobFailed } from "../../core/dstream/Batch.ts"
import { type AnyStreamingApp, InvalidApp } from "../../core/dstream/StreamingApp.ts"
import { format } from "../../core/checkpoint/RecoveryReport.ts"
import { withCauses } from "../../core/protocol/describeError.ts"
import { formatStatus } from "../../core/scheduling/BatchInfo.ts"
import { settingNames, variableOf, variablePrefix } from "../../core/settings/definitions.ts"
import { nearest } from "../../core/settings/invalidSettings.ts"
import type { ReceiverInfo, StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import { ProgramRefused } from "../../runtime/driver/checkpoint/Durability.ts"
import { write } from "./process/OutputConsole.ts"

export const say = (text: string): void => void process.stderr.write(`dstreams: ${text}\n`)

/** Prints what a command came to, or says why it came to nothing; the exit code. */
export const print = (text: Effect.Effect<string, unknown>, debug: boolean): Effect.Effect<number> =>
  Effect.map(Effect.exit(text), (exit) => {
    if (Exit.isSuccess(exit)) write(`${exit.value}\n`)
    else say(failureOf(exit.cause, debug))
    return Exit.isSuccess(exit) ? 0 : 1
  })

/** The status line of a completed batch. */
export const sayStatus = (event: StreamingEvent): void => {
  if (event.kind === "BatchCompleted") process.stderr.write(`${formatStatus(event.batch)}\n`)
}

/** What people should know although the program goes on. `skips`: a batch that fails does not end it, which would tell why. */
export const notices = (
  options: { readonly skips: boolean; readonly batchMillis: number }
): (event: StreamingEvent) => string | undefined => {
  /** By stream, what its receiver reported last: a receiver that is lost with its executor tells nothing new. */
  const reported = new Map<string, string>()
  const retries = new Set<string>()
  let hinted = false
  return (event) => {
    switch (event.kind) {
      case "ReceiverStarted":
        reported.delete(event.receiver.stream)
        return undefined
      case "ReceiverError": {
        const hint = hinted ? undefined : serverHint(event.receiver)
        hinted ||= hint !== undefined
        reported.set(event.receiver.stream, problemOf(event.receiver))
        return `${nameOf(event.receiver)} reports: ${problemOf(event.receiver)}${hint ?? ""}`
      }
      case "ReceiverStopped":
        return reported.get(event.receiver.stream) === problemOf(event.receiver) ? undefined : stopOf(event.receiver)
      case "OutputOperationCompleted": {
        const { output, time, failureReason } = event.operation
        if (failureReason === undefined || !options.skips) return undefined
        return `output ${output} of batch ${time} ms failed and is skipped: ${firstLine(failureReason)}`
      }
      case "TaskRetried": {
        const reason = firstLine(event.reason)
        const known = retries.has(reason)
        if (retries.size >= retriesMax) retries.clear()
        retries.add(reason)
        return `a task is tried again (stage ${event.stage}, partition ${event.partition}): ` +
          (known ? "the same" : reason)
      }
      case "TicksMissed":
        return late(event, options.batchMillis)
      default:
        return noticeOfEngine(event)
    }
  }
}

/** Reasons of retries that are known to have been told. */
const retriesMax = 100

/** By the name that its program gave it, and by the stream's in the graph. */
const nameOf = ({ name, stream }: ReceiverInfo): string => `the receiver ${name} of ${stream}`

const problemOf = ({ lastErrorMessage, lastError }: ReceiverInfo): string =>
  lastError === undefined ? lastErrorMessage : `${lastErrorMessage} (${firstLine(lastError)})`

/** What ReceiverSupervisor says of a receiver whose `onStart` failed. */
const receiverFailed = "Receiver failed"

/** A stop without an error was asked for. */
const stopOf = (receiver: ReceiverInfo): string | undefined => {
  const { lastErrorMessage, lastError } = receiver
  if (lastError === undefined) return undefined
  const error = firstLine(lastError)
  return lastErrorMessage === receiverFailed
    ? `${nameOf(receiver)} failed and is started again: ${error}`
    : `${nameOf(receiver)} stopped: ${lastErrorMessage} (${error})`
}

/** Nothing listens where a newcomer's program looks for a server. */
const serverHint = ({ lastErrorMessage, lastError }: ReceiverInfo): string | undefined => {
  const port = /(?:localhost|127\.0\.0\.1|::1):(\d+)/.exec(lastErrorMessage)?.[1]
  if (port === undefined || !lastError?.includes("ECONNREFUSED")) return undefined
  return `; to try the program, start a server there: nc -lk ${port}`
}

/** A shorter one is most likely a mistake: a number that was meant as seconds. */
const batchMillisUsual = 10

const late = (
  { count, first, last, policy }: Extract<StreamingEvent, { readonly kind: "TicksMissed" }>,
  batchMillis: number
): string => {
  const which = count === 1
    ? `the batch of ${first} ms comes late`
    : `${count} batches from ${first} ms to ${last} ms come late`
  const duration = batchMillis < batchMillisUsual ? `; the batch duration is ${batchMillis} ms` : ""
  return `${which} (missedTicks: ${policy})${duration}`
}

const noticeOfEngine = (event: StreamingEvent): string | undefined => {
  switch (event.kind) {
    case "ExecutorRemoved":
      return event.reason === "removed"
        ? `${event.executor} is not needed any more and is removed (dynamicAllocation)`
        : `${event.executor} is gone and is replaced: ${event.reason}`
    case "ExecutorsRequested":
      return `there shall be ${event.total} executors (dynamicAllocation)`
    case "ClockSetBack": {
      const seconds = Math.round((event.lastTick - event.now) / 1000)
      return `the clock was set back to ${event.now} ms: no batch comes until it is past the last one, ` +
        `${event.lastTick} ms, in ${seconds} s; a graceful stop does not wait for that`
    }
    case "BlocksLost":
      return `${event.blocks} blocks of ${event.stream} were lost and are read as empty in batch ${event.time} ms: ${event.reason}`
    case "Recovered":
      return format(event.report)
    case "CheckpointFailed":
      return `the checkpoint of batch ${event.time} ms could not be written; the ones before it and the log are there: ` +
        firstLine(event.reason)
    case "CleaningFailed":
      return `what is not needed any more could not be removed from the checkpoint place: ${firstLine(event.reason)}`
    case "SnapshotFailed":
      return `no snapshot could be taken of the state ${event.state}, partition ${event.partition}; the steps since the last one ` +
        `are kept to be repeated, which takes memory: ${firstLine(event.reason)}`
    case "GenerationFailed":
      return `the jobs of batch ${event.time} ms could not be made: ${firstLine(event.reason)}`
    default:
      return undefined
  }
}

/** What an app with sinks and without a place to go on from does not promise. */
export const withoutPlace = (
  { outputs }: AnyStreamingApp,
  checkpointDirectory: string | undefined
): string | undefined =>
  checkpointDirectory !== undefined || !outputs.some(({ action }) => action.kind === "sink")
    ? undefined
    : "there is no checkpointDirectory: the next start begins anew, and what it reads again its sinks write again"

const variables: ReadonlyArray<string> = settingNames.map(variableOf)

/** Names that were given to a program which never asked its Config for them: an option without effect. */
export const unreadOf = (config: Readonly<Record<string, string>>, reads: ReadonlySet<string>): string | undefined => {
  const unread = Object.keys(config).filter((name) => !reads.has(name) && !name.startsWith(variablePrefix))
  if (unread.length === 0) return undefined
  const names = unread.join(" and ")
  const free = [...reads].filter((name) => !(name in config))
  const meant = unread.flatMap((name) => {
    if (variables.includes(variablePrefix + name)) return [variablePrefix + name]
    // those two have options of their own
    return name === "HOST" || name === "PORT" ? [] : nearest(name, free) ?? []
  })
  if (meant.length > 0) return `the program never read ${names}; did you mean ${meant.join(" and ")}?`
  return `the program never read ${names}: an option has an effect if the program asks Config for it, ` +
    `such as yield* Config.${unread.includes("PORT") ? `Port("PORT")` : `String("${unread[0]}")`}`
}

/** Why the program did not end well, as a sentence; with `debug`, the stacks too. */
export const failureOf = (cause: Cause.Cause<unknown>, debug: boolean): string => {
  const reason = cause.reasons.find((reason) => reason._tag !== "Interrupt")
  if (reason === undefined) return "The program was interrupted."
  const error = reason._tag === "Fail" ? reason.error : reason.defect
  const text = sentence(error, reason._tag === "Die")
  if (debug) return `${text}\n${traceOf(error) ?? Cause.pretty(cause)}`
  return error instanceof JobFailed && error.stack !== undefined ? `${text} (--debug shows the stack)` : text
}

const sentence = (error: unknown, unexpected: boolean): string => {
  if (error instanceof JobFailed) {
    return `Batch ${error.time} ms failed in output ${error.output}, at operator ${error.operator}, partition ` +
      `${error.partition}: ${firstLine(error.message)}`
  }
  const message = error instanceof Error ? error.message : String(error)
  // All mistakes of an app, each on its line, and what is to become of each state of a changed program.
  if (error instanceof InvalidApp || error instanceof ProgramRefused) return message
  const text = firstLine(withCauses(message === "" && error instanceof Error ? error.name : message, error))
  return unexpected ? `An error that nobody expected ended the program: ${text} (--debug shows where)` : text
}

const traceOf = (error: unknown): string | undefined => {
  if (error instanceof JobFailed) return error.stack
  const { trace } = (error ?? {}) as { readonly trace?: unknown }
  return typeof trace === "string" ? trace : undefined
}

const firstLine = (text: string): string => text.split("\n", 1)[0]!
