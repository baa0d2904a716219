/**
 * A thread whose executor does what StopReceiver orders, in place of the real one: it echoes, holds its thread, dies, asks a peer
 * for a block, and answers a peer with bytes. What it has to say it reports to the driver.
 */
import { Deferred, Effect, Exit } from "effect"
import { runThread } from "../../adapters/threads/executorThread.ts"

runThread(({ app, handshake, link }) =>
  Effect.gen(function* () {
    const stopped = Deferred.makeUnsafe<void, Error>()
    const report = (message: string) =>
      link.toDriver({
        kind: "ReceiverMessage",
        request: 0,
        message: { kind: "ReportError", stream: "echo", attempt: 0, message, error: undefined }
      })
    const orders: Record<string, (word: string) => void> = {
      echo: report,
      program: () => report(`${app.name} ${app.batchMillis} ${handshake.appName}`),
      hold: (millis) => {
        const end = performance.now() + Number(millis)
        while (performance.now() < end);
        report("let go")
      },
      fail: (word) => void Deferred.doneUnsafe(stopped, Exit.fail(new Error(word))),
      exit: (code) => process.exit(Number(code)),
      throw: (word) => {
        throw new TypeError(word)
      },
      throwBare: (word) => {
        throw Object.assign(Object.create(null), { word })
      },
      reject: (word) => void Promise.reject(new TypeError(word)),
      deaf: () => link.onMessage(() => {}),
      ask: (peer) => link.toPeer(peer, { kind: "FetchBlock", request: 7, block: "b" })
    }
    link.onMessage((incoming) => {
      if (incoming.kind === "PeerLost") return report(`lost ${incoming.peer}`)
      if (incoming.kind === "FromPeer") {
        const { message, peer } = incoming
        if (message.kind !== "Fetched") {
          const bytes = new Uint8Array([1, 2, 3]).buffer
          const found = { kind: "bytes", bytes } as const
          link.toPeer(peer, { kind: "Fetched", request: message.request, found, missing: undefined })
          return report(`keeps ${bytes.byteLength} bytes`)
        }
        const found = message.found as { readonly bytes: ArrayBuffer }
        report(`${peer} gave ${Object.prototype.toString.call(found.bytes)} ${new Uint8Array(found.bytes)}`)
        return link.toDriver(taskDone(found.bytes))
      }
      if (incoming.message.kind === "StopExecutor") return void Deferred.doneUnsafe(stopped, Exit.void)
      if (incoming.message.kind === "RunTasks") {
        const part = incoming.message.plans[0]!.inputs[0]!.partitions[0]!
        return report(`plan ${part.kind === "inline" && part.data.kind === "bytes" && new Uint8Array(part.data.bytes)}`)
      }
      if (incoming.message.kind === "StopReceiver") orders[incoming.message.stream]!(incoming.message.message)
    })
    link.toDriver({ kind: "ExecutorReady" })
    yield* Deferred.await(stopped)
  })
)

const taskDone = (bytes: ArrayBuffer) => ({
  kind: "TaskEnded" as const,
  stage: "s",
  task: 0,
  attempt: 0,
  millis: 1,
  result: { kind: "Done" as const, value: { kind: "bytes" as const, bytes }, records: 1, bytes: bytes.byteLength }
})
