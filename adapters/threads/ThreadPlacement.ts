/**
 * ThreadPlacement: `local[n]`: n worker threads at the start, each an executor; the driver's thread stays free.
 *
 * A thread imports the program's module itself and builds the same graph (see `executorThread`); records cross its border as
 * MessagePack, between executors over a direct channel for each pair, which the driver makes when the second of them joins.
 * A thread is dead when it exits or throws what nobody catches, never for silence: a user's function may hold it for as long as
 * it likes. It is then replaced (see `ExecutorSlots`). At the end a thread is told to stop, terminated if it has not exited
 * in time, and left behind if it does not end even then.
 */
import { MessageChannel, type Worker } from "node:worker_threads"
import { Deferred, Effect, Exit, Layer, type Scope } from "effect"
import { describeError } from "../../core/protocol/describeError.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import type { Handshake, ToDriver } from "../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorId } from "../../core/protocol/Ids.ts"
import * as ExecutorSlots from "../../runtime/placement/ExecutorSlots.ts"
import { Placement, PlacementError } from "../../runtime/placement/Placement.ts"
import { messagePack } from "../codec/MessagePack.ts"
import { scratchFolder } from "../storage/spillSpace.ts"
import { codeFingerprintOf } from "./ProgramModule.ts"
import { startThread } from "./startThread.ts"
import * as ThreadLink from "./ThreadLink.ts"
import { wakefulness } from "./Wakefulness.ts"

export interface ThreadOptions {
  readonly threads: number
  /** URL of the program's module. */
  readonly program: string
  /** How long a thread may take to end when it is told to, before it is terminated. 2 s. */
  readonly stopMillis?: number | undefined
  /** The module that a thread runs. */
  readonly worker?: URL | undefined
  /** For the slots: deaths at start, back-off. */
  readonly slots?: Omit<ExecutorSlots.SlotOptions, "size"> | undefined
}

/** Threads have one machine: no executor is nearer to a source than another. */
const host = "localhost"

export const make = (options: ThreadOptions): Placement["Service"] => ({
  size: options.threads,
  start: Effect.fnUntraced(function* (given, receive) {
    const handshake = yield* withFingerprint(given, options.program)
    const scratch = yield* Effect.mapError(scratchFolder, ({ message }) => new PlacementError({ message }))
    const workers = new Map<ExecutorId, Worker>()
    const launch: ExecutorSlots.Launcher["launch"] = (info, hear) =>
      launchThread({ kind: "Start", ...info, program: options.program, scratch, handshake }, hear, options, workers)
    const joined = (executor: ExecutorId) => {
      const own = workers.get(executor)!
      for (const [other, worker] of workers) if (other !== executor) introduce(own, executor, worker, other)
    }
    const lost = (executor: ExecutorId) => {
      for (const [other, worker] of workers) if (other !== executor) tell(worker, { kind: "PeerGone", peer: executor })
    }
    const slots = { ...options.slots, size: options.threads }
    return yield* ExecutorSlots.start({ launch, joined, lost, host }, slots, receive)
  })
})

/** A driver that was given an app, and not a module, has no digest of its code: it is of the program as it is now. */
const withFingerprint = (handshake: Handshake, program: string): Effect.Effect<Handshake, PlacementError> =>
  handshake.codeFingerprint !== "" ? Effect.succeed(handshake) : codeFingerprintOf(program).pipe(
    Effect.map((codeFingerprint) => ({ ...handshake, codeFingerprint })),
    Effect.mapError(({ message }) => new PlacementError({ message }))
  )

/** Threads, and the codec at their borders. */
export const layer = (options: ThreadOptions): Layer.Layer<Placement | Border> =>
  Layer.mergeAll(
    Layer.succeed(Placement, Placement.of(make(options))),
    Layer.succeed(Border, Border.coded(messagePack))
  )

const tell = (worker: Worker, message: ThreadLink.ToThread): void => ThreadLink.lend(worker, message)

const introduce = (a: Worker, nameOfA: ExecutorId, b: Worker, nameOfB: ExecutorId): void => {
  const { port1, port2 } = new MessageChannel()
  a.postMessage({ kind: "Peer", peer: nameOfB, port: port1 } satisfies ThreadLink.ToThread, [port1])
  b.postMessage({ kind: "Peer", peer: nameOfA, port: port2 } satisfies ThreadLink.ToThread, [port2])
}

const launchThread = Effect.fnUntraced(function* (
  start: ThreadLink.Start,
  hear: (message: ToDriver) => void,
  { stopMillis = 2000, worker: module }: ThreadOptions,
  workers: Map<ExecutorId, Worker>
): Effect.fn.Return<ExecutorSlots.Launched, never, Scope.Scope> {
  const { executor } = start
  const worker = startThread(executor, module)
  const exited = Deferred.makeUnsafe<string>()
  let reason: string | undefined
  workers.set(executor, worker)
  worker.on("message", (message: ThreadLink.FromThread) => {
    wakefulness.heard()
    if (message.kind === "Message") hear(message.message)
    else reason = message.reason
  })
  worker.on("messageerror", (error) => reason ??= `it sent what cannot be read: ${describeError(error)}`)
  worker.on("error", (error) => reason ??= `it threw what nobody caught: ${describeError(error)}`)
  worker.on("exit", (code) => {
    workers.delete(executor)
    Deferred.doneUnsafe(exited, Exit.succeed(reason ?? `its thread exited with code ${code}`))
  })
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      if (!workers.has(executor)) return
      tell(worker, { kind: "Message", message: { kind: "StopExecutor" } })
      if (yield* ExecutorSlots.awaitEnd(Deferred.await(exited), stopMillis)) return
      // Also to this a thread does not listen while a call of the system holds it.
      yield* ExecutorSlots.awaitEnd(Effect.promise(() => worker.terminate()), stopMillis)
    })
  )
  tell(worker, start)
  return {
    send: (message) => {
      tell(worker, { kind: "Message", message })
      wakefulness.sent()
    },
    died: Deferred.await(exited)
  }
})
