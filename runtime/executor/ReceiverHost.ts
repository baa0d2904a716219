/**
 * ReceiverHost: the receivers of one executor: a supervisor per attempt, and the questions that they ask the driver.
 *
 * An attempt that is here already, or is older than the one that is, does not start again; its own end takes it from the list.
 * A stop or a rate that comes before an attempt has begun is kept for it; a stop of another attempt is none.
 * A question is known by a number; an answer that nobody waits for any more is dropped.
 */
import { type Context, Effect } from "effect"
import type { InputDefinition } from "../../core/dstream/InputDStream.ts"
import type { ReceiverAnswer, ReceiverMessage, ToDriver } from "../../core/protocol/ExecutorProtocol.ts"
import type { StreamId } from "../../core/protocol/Ids.ts"
import type { ReceivingSettings } from "../../core/receiving/ReceivingSettings.ts"
import type { Receivers } from "./Executor.ts"
import type { HandlerOf } from "./blocks/receivedBlockHandlers.ts"
import * as ReceiverSupervisor from "./ReceiverSupervisor.ts"

export interface ReceiverHostOptions {
  readonly toDriver: (message: ToDriver) => void
  readonly inputs: (stream: StreamId) => InputDefinition<any, any, any> | undefined
  readonly handlerOf: HandlerOf
  readonly epoch: number
  readonly settings: ReceivingSettings
  /** What the app's layer provides. */
  readonly context: Context.Context<any>
  /** Forks into the executor's scope. */
  readonly fork: (effect: Effect.Effect<void>) => unknown
}

interface Hosted {
  readonly attempt: number
  handle: ReceiverSupervisor.SupervisorHandle | undefined
  /** It was told so before it had begun. */
  stop: string | undefined
  rate: number | undefined
}

export const make = (options: ReceiverHostOptions): Receivers => {
  const running = new Map<StreamId, Hosted>()
  const waiting = new Map<number, (answer: ReceiverAnswer) => void>()
  let lastRequest = 0

  const tell = (message: ReceiverMessage, request = ++lastRequest) =>
    options.toDriver({ kind: "ReceiverMessage", request, message })

  const ask = (message: ReceiverMessage): Effect.Effect<ReceiverAnswer> =>
    Effect.callback((resume) => {
      const request = ++lastRequest
      waiting.set(request, (answer) => resume(Effect.succeed(answer)))
      tell(message, request)
      return Effect.sync(() => void waiting.delete(request))
    })

  const supervise = (stream: StreamId, attempt: number, rateLimit: number | undefined) => {
    const input = options.inputs(stream)
    if (input?.kind !== "receiver") {
      return Effect.die(new Error(`stream "${stream}" has no receiver in the graph of this executor`))
    }
    const entry = running.get(stream)!
    const { receiver } = input
    return Effect.scoped(Effect.gen(function* () {
      const handling = yield* options.handlerOf({ stream, attempt, receiver })
      const handle = yield* ReceiverSupervisor.start({
        ...options,
        ...handling,
        stream,
        attempt,
        receiver,
        ask,
        tell,
        rateLimit
      })
      entry.handle = handle
      if (entry.rate !== undefined) handle.updateRate(entry.rate)
      if (entry.stop !== undefined) handle.stop(entry.stop)
      yield* handle.awaitTermination
      if (running.get(stream) === entry) running.delete(stream)
    })).pipe(Effect.provideContext(options.context)) as Effect.Effect<void>
  }

  const stop = (hosted: Hosted | undefined, message: string) => {
    if (hosted === undefined) return
    hosted.stop ??= message
    hosted.handle?.stop(message)
  }

  return {
    start: (stream, attempt, rateLimit) => {
      const known = running.get(stream)
      if (known !== undefined && known.attempt >= attempt) return
      stop(known, `attempt ${attempt} takes its place`)
      running.set(stream, { attempt, handle: undefined, stop: undefined, rate: undefined })
      options.fork(supervise(stream, attempt, rateLimit))
    },
    stop: (stream, attempt, message) => {
      const known = running.get(stream)
      if (known?.attempt === attempt) stop(known, message)
    },
    updateRate: (stream, rate) => {
      const known = running.get(stream)
      if (known === undefined) return
      known.rate = rate
      known.handle?.updateRate(rate)
    },
    answer: (request, answer) => {
      waiting.get(request)?.(answer)
      waiting.delete(request)
    }
  }
}
