/**
 * Passwords and keys of a stream and of a sink, in a whole engine over a model of a broker: they are in nothing that the engine keeps or tells.
 */
import * as assert from "node:assert/strict"
import { Buffer } from "node:buffer"
import { inspect } from "node:util"
import { Effect, Layer, Logger, Redacted } from "effect"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { memoryStorage } from "../../../runtime/storage/memoryStorage.ts"
import * as lives from "../../checkpoint/lives.ts"
import { it } from "../../kit.ts"
import { modelWith } from "../direct/run.ts"

const secret = "hunter2-hunter2"

it("no secret is in what is stored, logged or told of a run", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.createTopic("out", 1)
    const storage = memoryStorage()
    const seen: Array<unknown> = []
    const told: Array<string> = []
    const connect: Kafka.ConnectKafka = (connection) => {
      seen.push(connection.sasl)
      return kafka.connect(connection)
    }
    const connection = {
      brokers: "model:9092",
      tls: { certificate: "PEM", key: Redacted.make(secret) },
      sasl: { mechanism: "PLAIN", username: "tester", password: Redacted.make(secret) }
    } as const
    const app = StreamingApp.make({
      name: "secrets",
      batchDuration: "1 second",
      outputs: [
        Kafka.directStream({ ...connection, topics: "t", value: Kafka.text, start: "earliest" }).pipe(
          DStream.map(({ value }) => value ?? ""),
          DStream.toSink(Kafka.sink({ ...connection, topic: "out", value: (word: string) => word }))
        )
      ],
      layer: Layer.succeed(Kafka.ConnectKafka, connect)
    }) as StreamingApp.StreamingApp
    kafka.append("t", 0, ["a"])
    const logger = Logger.make((entry) => void told.push(inspect(entry, { depth: 12 })))
    const { events, report } = yield* lives.live(app, { storage }, 3).pipe(Effect.provide(Logger.layer([logger])))
    const known = yield* Effect.forEach(yield* storage.list(""), (name) => storage.read(name))
    const kept = Buffer.concat(known.map((bytes) => bytes!))
    const shown = [...told, inspect(events, { depth: 12 }), inspect(report), inspect(seen), inspect(app, { depth: 12 })]
    assert.ok(seen.length > 0 && kept.length > 0 && events.length > 0)
    assert.equal(kept.includes(secret), false)
    for (const text of shown) assert.equal(text.includes(secret), false, text.slice(0, 2000))
    // What a reader of files finds there is not the secret in another form.
    for (const form of ["base64", "hex", "utf16le"] as const) {
      assert.equal(
        kept.includes(form === "utf16le" ? Buffer.from(secret, form) : Buffer.from(secret).toString(form)),
        false
      )
    }
  }))
