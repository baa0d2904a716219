/** receiverTracker: the pure tracker, with one executor; messages of supervisors are of the attempt that was launched last. */
import { Effect } from "effect"
import type { ReceiverMessage } from "../../../core/protocol/ExecutorProtocol.ts"
import { leastLoaded } from "../../../core/receiving/ReceiverSchedulingPolicy.ts"
import * as ReceiverTracker from "../../../core/receiving/ReceiverTracker.ts"
import { defaults } from "../../../core/receiving/ReceivingSettings.ts"
import { known } from "../Vector.ts"
import type { Apply, Machine } from "./machine.ts"

const executor = "executor"

class Refused extends RangeError {}

export const receiverTracker: Machine = {
  takes: ["do", "stream", "message"],
  open: ({ streams = [0] }) =>
    Effect.sync(() => {
      const receivers = streams.map(String).map((stream: string) => ({
        stream,
        name: stream,
        preferredHost: undefined
      }))
      const tracker = ReceiverTracker.make({ epoch: 1, receivers, policy: leastLoaded, settings: defaults })
      const step = (event: Omit<ReceiverTracker.ReceiverTrackerEvent, "now">) =>
        ReceiverTracker.step(tracker, { ...event, now: 0 } as ReceiverTracker.ReceiverTrackerEvent)
      step({ kind: "ExecutorJoined", executor: { executor, host: "host" } } as never)
      const attemptOf = (stream: string) => tracker.receivers.get(stream)?.attempt ?? 0
      const tell = (message: ReceiverMessage) =>
        Effect.suspend(() => {
          const commands = step({ kind: "FromExecutor", executor, request: 1, message } as never)
          const answers = commands.flatMap((command) =>
            command.kind === "Send" && command.message.kind === "ReceiverAnswer" ? [command.message.answer] : []
          )
          const refused = answers.find((answer) => answer.kind === "Refused")
          return refused === undefined ? Effect.void : Effect.fail(new Refused(JSON.stringify(refused)))
        })
      const steps: Readonly<Record<string, Apply>> = {
        start: () => Effect.sync(() => void step({ kind: "StartAllReceivers" } as never)),
        register: ({ stream }) => {
          const id = String(stream)
          return tell({ kind: "RegisterReceiver", stream: id, attempt: attemptOf(id), receiver: id })
        },
        deregister: ({ stream, message = "stopped" }) => {
          const id = String(stream)
          return tell({ kind: "DeregisterReceiver", stream: id, attempt: attemptOf(id), message, error: undefined })
        },
        stop: () => Effect.sync(() => void step({ kind: "StopAllReceivers" } as never))
      }
      return (one) =>
        Effect.map(known("step", steps, one.do)(one), () => {
          const all = [...tracker.receivers.values()]
          const active = all.filter(({ state }) => state === "Active").map(({ stream }) => Number(stream))
          return { expect: { active, phase: tracker.phase }, expectActive: active }
        })
    })
}
