/**
 * What the command says on stderr: failures as one sentence, notices of what went wrong and was put right, the status line.
 */
import { Cause } from "effect"
import { JobFailed } from "../../core/dstream/Batch.ts"
import { InvalidApp } from "../../core/dstream/StreamingApp.ts"
import { formatStatus } from "../../core/scheduling/BatchInfo.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"

export const say = (text: string): void => void process.stderr.write(`dstreams: ${text}\n`)

/** The status line of a completed batch. */
export const sayStatus = (event: StreamingEvent): void => {
  if (event.kind === "BatchCompleted") process.stderr.write(`${formatStatus(event.batch)}\n`)
}

/** What people should know although the program goes on. */
export const sayNotice = (event: StreamingEvent): void => {
  const notice = noticeOf(event)
  if (notice !== undefined) say(notice)
}

const noticeOf = (event: StreamingEvent): string | undefined => {
  switch (event.kind) {
    case "ReceiverError": {
      const { stream, lastErrorMessage, lastError } = event.receiver
      return `the receiver of ${stream} reports: ${lastErrorMessage}${lastError ? ` (${firstLine(lastError)})` : ""}`
    }
    case "ExecutorRemoved":
      return `${event.executor} is gone and is replaced: ${event.reason}`
    case "TaskRetried":
      return `a task is tried again (stage ${event.stage}, partition ${event.partition}): ${firstLine(event.reason)}`
    case "TicksMissed":
      return `${event.count} batches from ${event.first} ms to ${event.last} ms come late (missedTicks: ${event.policy})`
    case "BlocksLost":
      return `${event.blocks} blocks of ${event.stream} were lost and are read as empty in batch ${event.time} ms: ${event.reason}`
    case "GenerationFailed":
      return `the jobs of batch ${event.time} ms could not be made: ${firstLine(event.reason)}`
    default:
      return undefined
  }
}

/** Why the program did not end well, as a sentence; with `debug`, the stacks too. */
export const failureOf = (cause: Cause.Cause<unknown>, debug: boolean): string => {
  const reason = cause.reasons.find((reason) => reason._tag !== "Interrupt")
  if (reason === undefined) return "The program was interrupted."
  const error = reason._tag === "Fail" ? reason.error : reason.defect
  const text = sentence(error, reason._tag === "Die")
  return debug ? `${text}\n${traceOf(error) ?? Cause.pretty(cause)}` : text
}

const sentence = (error: unknown, unexpected: boolean): string => {
  if (error instanceof JobFailed) {
    return `Batch ${error.time} ms failed in output ${error.output}, at operator ${error.operator}, partition ` +
      `${error.partition}: ${firstLine(error.message)}`
  }
  const message = error instanceof Error ? error.message : String(error)
  // All mistakes of an app, each on its line.
  if (error instanceof InvalidApp) return message
  const text = firstLine(message === "" && error instanceof Error ? error.name : message)
  return unexpected ? `An error that nobody expected ended the program: ${text} (--debug shows where)` : text
}

const traceOf = (error: unknown): string | undefined => {
  if (error instanceof JobFailed) return error.stack
  const { trace } = (error ?? {}) as { readonly trace?: unknown }
  return typeof trace === "string" ? trace : undefined
}

const firstLine = (text: string): string => text.split("\n", 1)[0]!
