/**
 * What the command says while a program goes on: of receivers that fail, report and stop, of outputs that fail.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { notices, withoutPlace } from "../../adapters/cli/messages.ts"
import * as File from "../../adapters/file/mod.ts"
import * as Memory from "../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import type { ReceiverInfo, StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import { it } from "../kit.ts"

const receiver = (kind: "ReceiverStarted" | "ReceiverError" | "ReceiverStopped", message: string, error?: string) =>
  ({
    kind,
    receiver: { stream: "s", name: "r", lastErrorMessage: message, lastError: error } as ReceiverInfo
  }) satisfies StreamingEvent

const said = (skips: boolean, ...events: ReadonlyArray<StreamingEvent>) => {
  const noticeOf = notices({ skips, batchMillis: 1000 })
  return events.map(noticeOf)
}

it("a receiver that fails is told each time, with its error, and that it is started again", () =>
  Effect.sync(() => {
    const failed = receiver("ReceiverStopped", "Receiver failed", "Error: boom\nmore")
    const text = "the receiver r of s failed and is started again: Error: boom"
    assert.deepEqual(said(false, failed, receiver("ReceiverStarted", ""), failed), [text, undefined, text])
  }))

it("a receiver that stops or restarts itself for an error is told in its words; one that was asked to stop is not", () =>
  Effect.sync(() => {
    assert.deepEqual(
      said(
        false,
        receiver("ReceiverStopped", "no more licences", "Error: 401"),
        receiver("ReceiverStopped", "Stopped by driver")
      ),
      ["the receiver r of s stopped: no more licences (Error: 401)", undefined]
    )
  }))

it("what a receiver had reported is not told again when it is lost", () =>
  Effect.sync(() => {
    const [report, stop] = said(
      false,
      receiver("ReceiverError", "late", "Error: x"),
      receiver("ReceiverStopped", "late", "Error: x")
    )
    assert.deepEqual([report, stop], ["the receiver r of s reports: late (Error: x)", undefined])
  }))

it("who connects to nobody on this machine is told once how to start a server", () =>
  Effect.sync(() => {
    const refused = receiver("ReceiverError", "Error connecting to localhost:9999", "Error: ECONNREFUSED ::1:9999")
    const far = receiver("ReceiverError", "Error connecting to example.org:9999", "Error: ECONNREFUSED")
    const texts = said(false, far, refused, refused)
    assert.deepEqual(texts.map((text) => text!.includes("nc -lk 9999")), [false, true, false])
  }))

it("batches that come late are told; with a very short batch duration also that, for it may have been meant as seconds", () =>
  Effect.sync(() => {
    const missed: StreamingEvent = { kind: "TicksMissed", first: 1000, last: 3000, count: 3, policy: "replay" }
    const text = "3 batches from 1000 ms to 3000 ms come late (missedTicks: replay)"
    assert.deepEqual(said(false, missed), [text])
    assert.equal(notices({ skips: false, batchMillis: 1 })(missed), `${text}; the batch duration is 1 ms`)
  }))

it("a clock that was set back is told with the time until the next batch", () =>
  Effect.sync(() => {
    assert.deepEqual(said(false, { kind: "ClockSetBack", now: 400_000, lastTick: 4_000_000 }), [
      "the clock was set back to 400000 ms: no batch comes until it is past the last one, 4000000 ms, in 3600 s; " +
      "a graceful stop does not wait for that"
    ])
  }))

it("a failed output is told with batch and cause when failed batches are skipped, else by the program's end", () =>
  Effect.sync(() => {
    const operation = { time: 300, job: "300/0", output: "print-0", startTime: 300, endTime: 310 }
    const event = { kind: "OutputOperationCompleted", operation: { ...operation, failureReason: "db down\n  at x" } }
    const [skipping] = said(true, event as StreamingEvent)
    assert.equal(skipping, "output print-0 of batch 300 ms failed and is skipped: db down")
    assert.deepEqual(said(false, event as StreamingEvent), [undefined])
    const well = { kind: "OutputOperationCompleted", operation: { ...operation, failureReason: undefined } }
    assert.deepEqual(said(true, well as unknown as StreamingEvent), [undefined])
  }))

it("of sinks without a place to go on from it is told what they then do not promise", () =>
  Effect.sync(() => {
    const words = Memory.batches([["a"]])
    const app = { name: "app", batchDuration: "1 second" } as const
    const sink = File.sink("/never")
    const printed = words.pipe(DStream.print())
    const withSink = StreamingApp.make({ ...app, outputs: [printed, words.pipe(DStream.toSink(sink))] })
    assert.match(withoutPlace(withSink, undefined)!, /no checkpointDirectory: the next start begins anew/)
    assert.equal(withoutPlace(withSink, "/there"), undefined)
    assert.equal(withoutPlace(StreamingApp.make({ ...app, outputs: [printed] }), undefined), undefined)
  }))
