/**
 * Answers put together from pieces; options of a connection.
 */
import * as assert from "node:assert/strict"
import { Buffer } from "node:buffer"
import { test } from "node:test"
import { Effect, Redacted } from "effect"
import fc from "fast-check"
import { Frames } from "../../../adapters/kafka/client/network/frames.ts"
import { settingsOf } from "../../../adapters/kafka/client/network/settings.ts"
import type { KafkaConnection } from "../../../adapters/kafka/KafkaConnection.ts"

const framesOf = (chunks: ReadonlyArray<Buffer>) => {
  const frames: Array<string> = []
  const complaints: Array<string> = []
  const taken = new Frames((frame) => frames.push(frame.toString("hex")), (complaint) => complaints.push(complaint))
  for (const chunk of chunks) taken.take(chunk)
  return { frames, complaints }
}

test("whatever the pieces, whole answers come out, in order", () => {
  const bodies = fc.array(fc.uint8Array({ minLength: 4, maxLength: 20 }), { maxLength: 6 })
  fc.assert(fc.property(bodies, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (bodies, sizes) => {
    const frames = bodies.map((body) => {
      const head = Buffer.alloc(4)
      head.writeInt32BE(body.length)
      return Buffer.concat([head, body])
    })
    const stream = Buffer.concat(frames)
    const chunks: Array<Buffer> = []
    for (let at = 0, i = 0; at < stream.length; at += sizes[i++ % sizes.length]!) {
      chunks.push(stream.subarray(at, at + sizes[i % sizes.length]!))
    }
    assert.deepEqual(framesOf(chunks), { frames: frames.map((frame) => frame.toString("hex")), complaints: [] })
  }))
})

test("a length that no broker sends is told once, and nothing is read behind it", () => {
  for (
    const [head, words] of [
      ["7fffffff", /2147483647 bytes/],
      ["ffffffff", /-1 bytes/],
      ["00000000", /0 bytes/],
      ["08000001", /134217729 bytes/],
      [Buffer.from("HTTP").toString("hex"), /\("HTTP"\).*host and port are a Kafka broker's/],
      ["15030100", /speaks TLS: give the connection tls/]
    ] as const
  ) {
    const { complaints, frames } = framesOf([
      Buffer.from(head + "00".repeat(50), "hex"),
      Buffer.from("00000004".repeat(3))
    ])
    assert.deepEqual([frames, complaints.length], [[], 1])
    assert.match(complaints[0]!, words)
  }
})

test("addresses are host:port, and a port that is missing is 9092", () => {
  const of = (brokers: KafkaConnection["brokers"]) => Effect.runSync(settingsOf({ brokers })).bootstrap
  assert.deepEqual(of("a.example, 10.0.0.1:1"), [{ host: "a.example", port: 9092 }, { host: "10.0.0.1", port: 1 }])
  assert.deepEqual(of(["[::1]:9093", "[fe80::1]"]), [{ host: "::1", port: 9093 }, { host: "fe80::1", port: 9092 }])
})

test("options that cannot be are told before anything is connected", () => {
  const refused = (connection: KafkaConnection, words: RegExp) => {
    const error = Effect.runSync(Effect.flip(settingsOf(connection)))
    assert.equal(error.reason, "Options")
    assert.match(error.message, words)
  }
  for (const brokers of ["", "a:b", "a:70000", "http://a:9092", "::1", "user@a:9092", "a:0"]) {
    refused({ brokers }, /is no address of a broker: write host:port/)
  }
  refused({ brokers: [] }, /no broker is named/)
  const pem = "-----BEGIN CERTIFICATE-----"
  refused({ brokers: "a", tls: { certificate: pem } }, /certificate without a key/)
  refused({ brokers: "a", tls: { certificate: pem, key: Redacted.make("none") } }, /tls\.key is no text in PEM/)
  refused({ brokers: "a", tls: { ca: "/etc/ca.pem" } }, /tls\.ca is no text in PEM/)
})
