/**
 * Behaviours that vectors of the areas blocks, receivers, input and operations tell in words, with their numbers: what receivers
 * store, and what becomes of it.
 */
import * as assert from "node:assert/strict"
import { connect, createServer } from "node:net"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, Receiver, StreamingApp } from "../../../core/mod.ts"
import type { ToExecutor } from "../../../core/protocol/ExecutorProtocol.ts"
import * as Local from "../../driver/local.ts"
import { it } from "../../kit.ts"
import { recorder, supervised } from "../../receiving/supervised.ts"

it("a hundred records in ten blocks of each form come back in order, under the ids they were stored by", () =>
  Effect.gen(function* () {
    const blocks = Array.from({ length: 10 }, (_, block) => Array.from({ length: 10 }, (_, i) => block * 10 + i))
    const forms = [
      (store: Receiver.Store<any>, block: ReadonlyArray<number>) => store.iterator(block.values()),
      (store: Receiver.Store<any>, block: ReadonlyArray<number>) => store.array(block),
      (store: Receiver.Store<any>, block: ReadonlyArray<number>) => store.bytes(Uint8Array.from(block))
    ]
    for (const form of forms) {
      const { receiver, store } = recorder()
      const { infos, stored } = yield* supervised({ receiver })
      for (const block of blocks) yield* form(store(), block)
      assert.deepEqual(infos().map(({ block }) => block), blocks.map((_, sequence) => `s/2/4/${sequence}`))
      assert.deepEqual((yield* stored()).flat(), blocks.flat())
    }
  }))

it("a rate that is sent for a stream is the limit of its generator, and stopping twice is fine", () =>
  Effect.gen(function* () {
    const { receiver } = recorder()
    const { handle } = yield* supervised({ receiver })
    handle.updateRate(100)
    assert.equal(handle.rateLimit(), 100)
    handle.stop("once")
    handle.stop("twice")
    yield* TestClock.adjust("1 second")
    yield* handle.awaitTermination
  }))

it("a batch in which a receiver stored nothing completes with an empty data set", () =>
  Effect.gen(function* () {
    const batches: Array<ReadonlyArray<ReadonlyArray<number>>> = []
    const app = StreamingApp.make({
      name: "silent",
      batchDuration: "1 second",
      outputs: [
        Memory.timed<number>([]).pipe(
          DStream.foreachBatch((batch) => Effect.map(batch.partitions, (lists) => batches.push(lists)))
        )
      ]
    })
    yield* Local.start(app)
    yield* TestClock.adjust("1 second")
    yield* Local.settled
    assert.deepEqual(batches, [[]])
  }))

it("blocks and persisted data of the newest batches are there, those of the oldest are not", () =>
  Effect.gen(function* () {
    const forgotten: Array<string> = []
    let calls = 0
    const heard = (message: ToExecutor) => {
      if (message.kind === "Forget") forgotten.push(...message.blocks)
    }
    const values = Array.from({ length: 6 }, (_, i) => ({ time: i * 1000 + 100, value: `line ${i + 1}` }))
    const mapped = Memory.timed(values).pipe(
      DStream.named("in"),
      DStream.map((line) => {
        calls++
        return line.toUpperCase()
      }),
      DStream.persist()
    )
    const read = mapped.pipe(DStream.foreachBatch((batch) => batch.collect))
    const app = StreamingApp.make({ name: "cleaned", batchDuration: "1 second", outputs: [read, read] })
    const context = yield* Local.start(app, { heard })
    for (let batch = 0; batch < 6; batch++) yield* Effect.andThen(TestClock.adjust("1 second"), Local.settled)
    assert.equal(calls, 6, "each line is mapped once, for both outputs")
    assert.deepEqual(yield* context.slice(mapped, 6000, 6000), ["LINE 6"])
    assert.equal(calls, 6, "the newest persisted data set is read, not computed")
    assert.match((yield* Effect.flip(context.slice(mapped, 1000, 1000))).message, /was forgotten/)
    const isForgotten = (sequence: number) => forgotten.includes(`in/1/1/${sequence}`)
    assert.deepEqual([isForgotten(0), isForgotten(5)], [true, false], `${forgotten}`)
  }))

/** A receiver as a user writes it: lines of a socket. */
const lines = (port: number) =>
  Receiver.make<string, Error, never>({
    name: "lines",
    storageLevel: "MEMORY_ONLY",
    onStart: (store) =>
      Effect.callback<void, Error>((resume) => {
        const socket = connect(port, "127.0.0.1")
        let rest = ""
        socket.setEncoding("utf8").on("data", (text: string) => {
          const parts = (rest + text).split("\n")
          rest = parts.pop()!
          for (const line of parts) store.single(line)
        })
        socket.on("error", (error) => resume(Effect.fail(error)))
        return Effect.sync(() => socket.destroy())
      })
  })

/** Sends six lines to whoever connects. */
const lineServer = Effect.acquireRelease(
  Effect.callback<ReturnType<typeof createServer>>((resume) => {
    const server = createServer((socket) => {
      let sent = 0
      const timer = setInterval(() => {
        if (++sent === 6) clearInterval(timer)
        socket.write(`line ${sent}\n`)
      }, 20)
      socket.on("close", () => clearInterval(timer)).on("error", () => clearInterval(timer))
    })
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close())
)

it.live("a receiver of the user's that reads lines from a socket feeds batches", () =>
  Effect.gen(function* () {
    const server = yield* lineServer
    let counted = 0
    const address = server.address()
    assert.ok(typeof address === "object" && address !== null)
    const app = StreamingApp.make({
      name: "user receiver",
      batchDuration: "200 millis",
      outputs: [
        DStream.receiverStream(lines(address.port)).pipe(
          DStream.foreachBatch((batch) => Effect.map(batch.count, (count) => void (counted += count)))
        )
      ],
      settings: { blockInterval: "50 millis" }
    })
    const context = yield* Local.start(app)
    yield* Effect.timeout(Effect.repeat(Effect.sleep("20 millis"), { until: () => counted === 6 }), "10 seconds")
    assert.equal(counted, 6)
    yield* context.stop()
  }))
