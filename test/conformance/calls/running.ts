/**
 * Functions of the areas receivers and context: what settings come to, and what a running receiver does.
 */
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { fromSettings } from "../../../core/receiving/ReceivingSettings.ts"
import { definitions } from "../../../core/settings/definitions.ts"
import * as Settings from "../../../core/settings/Settings.ts"
import * as Local from "../../driver/local.ts"
import { recorder, supervised } from "../../receiving/supervised.ts"
import { type Json, known, UnknownWord } from "../Vector.ts"
import { type Call, of } from "./call.ts"

const run = { batchMillis: 1000, executors: 1 }

/** Settings under Spark's names as ours. */
const settingsOf = (conf: Json): Settings.SettingsInput =>
  Object.fromEntries(
    Object.entries(conf).map(([name, value]) => {
      const ours = Object.entries(definitions).find(([, { spark }]) => spark === name)?.[0]
      if (ours === undefined) throw new UnknownWord("setting", name)
      return [ours, value]
    })
  )

/** From the end of a receiver's run, when it asks to be restarted, to the beginning of the next. */
const restartDelay = Effect.fnUntraced(function* (conf: Json, asked: number | null) {
  const times: Array<number> = []
  const note = Effect.map(Clock.currentTimeMillis, (now) => void times.push(now))
  const record = recorder({ onStop: note })
  const onStart = (store: Json) => Effect.andThen(note, record.receiver.onStart(store))
  const settings = fromSettings(Settings.resolve([settingsOf(conf)], run))
  yield* supervised({ receiver: { ...record.receiver, onStart }, settings })
  record.store().restart("restarting", undefined, asked ?? undefined)
  yield* TestClock.adjust("1 hour")
  const [, stopped, started] = times
  return started! - stopped!
}, Effect.scoped)

const streams: Readonly<Record<string, () => DStream.DStream<number>>> = {
  "one receiver stream": () => Memory.timed([{ time: 0, value: 1 }]),
  "one stream without receiver": () => Memory.batches([[1]])
}

/** By stream: the executor on which its receiver started, as listeners are told. */
const allocatedExecutors = Effect.fnUntraced(function* (which: string) {
  const allocated: Record<string, string> = {}
  const app = StreamingApp.make({
    name: "allocated",
    batchDuration: 1000,
    outputs: [known("stream", streams, which)().pipe(DStream.print())]
  })
  yield* Local.start(app, {
    observers: [(event) => {
      if (event.kind === "ReceiverStarted") allocated[event.receiver.stream] = event.receiver.executor!
    }]
  })
  return allocated
}, Effect.scoped)

export const runningCalls: Readonly<Record<string, Call>> = {
  allocatedExecutors: of(allocatedExecutors),
  gracefulTimeoutMs: of((batchMillis, gracefulStopTimeout) =>
    Settings.resolve(gracefulStopTimeout === null ? [] : [{ gracefulStopTimeout }], { ...run, batchMillis })
      .gracefulStopTimeoutMillis
  ),
  restartDelayMs: of(restartDelay)
}
