/**
 * LocalPlacement: `local`: executors are fibers of this process.
 *
 * Messages go by reference through queues, in order; each party has one fiber that hands over what came in, so that no sender
 * ever runs in its receiver's stack. Nothing is encoded (`Border.local`). An executor whose fiber ends is dead and replaced.
 * Queues have no bound of their own: control messages are few (per task, block and fetch), and whoever sends limits how many.
 */
import { Cause, Deferred, Effect, Exit, Fiber, Queue, type Scope } from "effect"
import type { Handshake, ToDriver } from "../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorId } from "../../core/protocol/Ids.ts"
import type { ExecutorLink, Incoming } from "../executor/ExecutorLink.ts"
import * as ExecutorSlots from "./ExecutorSlots.ts"
import { Placement } from "./Placement.ts"

/** Runs one executor until it has been told to stop. */
export type RunExecutor = (
  options: { readonly handshake: Handshake; readonly link: ExecutorLink }
) => Effect.Effect<unknown, unknown, Scope.Scope>

export interface LocalOptions {
  readonly runExecutor: RunExecutor
  /** 1. */
  readonly executors?: number | undefined
  /** How long an executor may take to end when it is told to. 2 s. */
  readonly stopMillis?: number | undefined
}

export const make = (options: LocalOptions): Placement["Service"] => {
  const size = options.executors ?? 1
  return {
    size,
    start: (handshake, receive) => {
      const inboxes = new Map<ExecutorId, Queue.Queue<Incoming>>()
      const launch: ExecutorSlots.Launcher["launch"] = (info, hear) =>
        launchFiber(info, hear, handshake, options, inboxes)
      const lost = (executor: ExecutorId) => {
        inboxes.delete(executor)
        for (const inbox of inboxes.values()) Queue.offerUnsafe(inbox, { kind: "PeerLost", peer: executor })
      }
      return ExecutorSlots.start({ launch, lost, joined: () => {}, host: "localhost" }, { size }, receive)
    }
  }
}

const launchFiber = Effect.fnUntraced(function* (
  info: { readonly executor: ExecutorId; readonly host: string },
  hear: (message: ToDriver) => void,
  handshake: Handshake,
  { runExecutor, stopMillis = 2000 }: LocalOptions,
  inboxes: Map<ExecutorId, Queue.Queue<Incoming>>
): Effect.fn.Return<ExecutorSlots.Launched, never, Scope.Scope> {
  const inbox = yield* Queue.unbounded<Incoming>()
  const outbox = yield* Queue.unbounded<ToDriver, Cause.Done>()
  const handler = Deferred.makeUnsafe<(incoming: Incoming) => void>()
  const link: ExecutorLink = {
    ...info,
    toDriver: (message) => void Queue.offerUnsafe(outbox, message),
    toPeer: (peer, message) => {
      const other = inboxes.get(peer)
      if (other === undefined) Queue.offerUnsafe(inbox, { kind: "PeerLost", peer })
      else Queue.offerUnsafe(other, { kind: "FromPeer", peer: info.executor, message })
    },
    onMessage: (handle) => Deferred.doneUnsafe(handler, Exit.succeed(handle))
  }
  inboxes.set(info.executor, inbox)
  const handOver = Effect.flatMap(Deferred.await(handler), (handle) => pump(inbox, handle))
  const end = (executor: Fiber.Fiber<unknown, unknown>) => {
    inboxes.delete(info.executor)
    Queue.offerUnsafe(inbox, { kind: "FromDriver", message: { kind: "StopExecutor" } })
    return Effect.gen(function* () {
      if (yield* ExecutorSlots.awaitEnd(Fiber.await(executor), stopMillis)) return
      if (yield* ExecutorSlots.awaitEnd(Fiber.interrupt(executor), stopMillis)) return
      yield* Effect.logWarning(
        `${info.executor} does not end and is left behind: does an onStop of a receiver, or a finalizer of the app's layer, hang?`
      )
    })
  }
  const executor = yield* Effect.acquireRelease(
    Effect.forkDetach(Effect.raceFirst(Effect.scoped(runExecutor({ handshake, link })), handOver)),
    end
  )
  const speaker = yield* Effect.forkScoped(pump(outbox, hear))
  return {
    send: (message) => void Queue.offerUnsafe(inbox, { kind: "FromDriver", message }),
    died: Effect.gen(function* () {
      // The speaker ends first only if the driver threw at a message: then nothing more can be heard of this executor.
      const exit = yield* Effect.raceFirst(Fiber.await(executor), Fiber.await(speaker))
      yield* Queue.end(outbox)
      yield* Fiber.await(speaker)
      return Exit.isSuccess(exit) ? "it ended" : Cause.prettyErrors(exit.cause).map((error) => error.message).join("; ")
    })
  }
})

const pump = <A, E>(queue: Queue.Dequeue<A, E>, handle: (message: A) => void): Effect.Effect<never, E> =>
  Effect.forever(Effect.map(Queue.takeAll(queue), (messages) => messages.forEach((message) => handle(message))))
