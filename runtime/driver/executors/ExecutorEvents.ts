/**
 * ExecutorEvents: what comes from the placement, to whom it concerns, and when all executors are there.
 *
 * Tasks go to the TaskScheduler, receivers to the ReceiverTracker, joining and losing to both, to BlockLocations and to
 * listeners; then all executors are told which are ready and stay. An executor counts once it has said ExecutorReady. One whose graph or
 * code differs ends the context with the difference.
 */
import { Cause, Deferred, Effect, Exit, Option, Schema } from "effect"
import type { BlockId } from "../../../core/blocks/ReceivedBlock.ts"
import type { Handshake, ToExecutor } from "../../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorId } from "../../../core/protocol/Ids.ts"
import type { StreamingEvent } from "../../../core/scheduling/StreamingListener.ts"
import type { Time } from "../../../core/time/Time.ts"
import type { Executors, Placement, PlacementEvent } from "../../placement/Placement.ts"
import type { BlockLocations } from "../BlockLocations.ts"
import type { ReceiverTracker } from "../ReceiverTracker.ts"
import type { Fail } from "../../Supervisor.ts"
import type { TaskScheduler } from "../TaskScheduler.ts"

/** An executor built another graph, or loaded other code, than the driver. */
export class ExecutorRefused extends Schema.TaggedError<ExecutorRefused>()("ExecutorRefused", {
  executor: Schema.String,
  message: Schema.String
}) {}

export interface Concerned {
  readonly placement: Placement["Service"]
  readonly tasks: TaskScheduler
  readonly receivers: ReceiverTracker
  readonly locations: BlockLocations
  readonly post: (event: StreamingEvent) => void
  readonly fail: Fail<ExecutorRefused>
}

export type ExecutorEvents = ReturnType<typeof make>

/** Executors can be sent to from the start; what is sent before they have started waits. */
export const make = () => {
  const early: Array<readonly [ExecutorId, ToExecutor]> = []
  const notStarted: Executors = {
    send: (executor, message) => void early.push([executor, message]),
    request: () => {},
    remove: () => {}
  }
  const known: Known = { ready: new Set(), leaving: undefined }
  const { ready } = known
  let executors = notStarted
  const send = (executor: ExecutorId, message: ToExecutor): void => executors.send(executor, message)
  return {
    send,
    /** In the order in which they became it. */
    ready: (): ReadonlyArray<ExecutorId> => [...ready],
    /** This one is to leave, or none: it is given no copies of blocks, and what copies it holds are made elsewhere too. */
    leave: (executor: ExecutorId | undefined): void => {
      known.leaving = executor
      tellPeers(known, send)
    },
    /** See `Executors`. */
    request: (total: number): void => executors.request(total),
    remove: (executor: ExecutorId): void => executors.remove(executor),
    /** Returns when as many executors are ready as there shall be. */
    start: Effect.fnUntraced(function* (concerned: Concerned, handshake: Handshake) {
      const { placement } = concerned
      const allReady = yield* Deferred.make<void>()
      let refused: ExecutorRefused | undefined
      const fail = (cause: Cause.Cause<ExecutorRefused>) => {
        refused ??= Option.getOrUndefined(Cause.findErrorOption(cause))
        concerned.fail(cause)
      }
      const done = () => void Deferred.doneUnsafe(allReady, Exit.void)
      const distribute = distributor({ ...concerned, fail }, known, send, done)
      // The placement's own fiber must not die of what we make of its events: that is the context's end.
      const receive = (event: PlacementEvent) => {
        try {
          distribute(event)
        } catch (error) {
          fail(Cause.die(error))
        }
      }
      executors = yield* Effect.mapError(placement.start(handshake, receive), (error) => refused ?? error)
      for (const [executor, message] of early.splice(0)) executors.send(executor, message)
      yield* Deferred.await(allReady)
    })
  }
}

interface Known {
  readonly ready: Set<ExecutorId>
  leaving: ExecutorId | undefined
}

/** Who may be given copies of blocks. Who is to leave and would leave one alone goes on to hold the second copies. */
const tellPeers = ({ leaving, ready }: Known, send: Executors["send"]) => {
  const staying = [...ready].filter((executor) => executor !== leaving)
  const executors = staying.length < 2 ? [...ready] : staying
  for (const executor of ready) send(executor, { kind: "Peers", executors })
}

const distributor = (
  { placement, tasks, receivers, locations, post, fail }: Concerned,
  known: Known,
  send: Executors["send"],
  allReady: () => void
) => {
  const { ready } = known
  const hosts = new Map<ExecutorId, string>()
  const becomesReady = (executor: ExecutorId) => {
    if (ready.has(executor)) return
    ready.add(executor)
    const host = hosts.get(executor) ?? "localhost"
    locations.executorJoined(executor)
    // Before its receivers start: they need to know whom copies go to.
    tellPeers(known, send)
    receivers.executorJoined({ executor, host })
    post({ kind: "ExecutorAdded", executor, host })
    if (ready.size >= placement.size) allReady()
  }
  return (event: PlacementEvent): void => {
    if (event.kind === "ExecutorJoined") return void hosts.set(event.info.executor, event.info.host)
    if (event.kind === "ExecutorLost") locations.executorLost(event.executor)
    tasks.executorEvent(event)
    if (event.kind === "ExecutorLost") {
      if (known.leaving === event.executor) known.leaving = undefined
      if (ready.delete(event.executor)) tellPeers(known, send)
      hosts.delete(event.executor)
      receivers.executorLost(event.executor, event.reason)
      return post({ kind: "ExecutorRemoved", executor: event.executor, reason: event.reason })
    }
    const { executor, message } = event
    if (message.kind === "ExecutorReady") becomesReady(executor)
    else if (message.kind === "ReceiverMessage") receivers.receive(executor, message.request, message.message)
    else if (message.kind === "BlocksHeld") receivers.blocksHeld(message.executor, message.blocks)
    else if (message.kind === "ExecutorRefused") {
      fail(
        Cause.fail(
          new ExecutorRefused({ executor, message: `executor ${executor} runs another program: ${message.difference}` })
        )
      )
    }
  }
}

/** A lost block that is read as empty, by setting; its id begins with its stream. */
export const blockLost = (block: BlockId, time: Time, why: string): StreamingEvent => ({
  kind: "BlocksLost",
  stream: block.split("/").slice(0, -3).join("/"),
  time,
  blocks: 1,
  reason: `block ${block} is held by no executor and is read as empty: ${why}`
})
