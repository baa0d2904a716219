/**
 * TLS, mutual TLS and SASL against a real broker: who comes in, and what those are told who do not. No secret is in any of it.
 */
import * as assert from "node:assert/strict"
import { Buffer } from "node:buffer"
import { Effect, Redacted } from "effect"
import { connect } from "../../../adapters/kafka/client/connect.ts"
import type { KafkaConnection, Sasl, Tls } from "../../../adapters/kafka/KafkaConnection.ts"
import type { KafkaError } from "../../../adapters/kafka/KafkaError.ts"
import { it } from "../../kit.ts"
import { createTopic, startBroker } from "../broker.ts"
import { makeCertificates } from "../broker/certificates.ts"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

// Sessions end after two seconds, so that one is seen to.
const started = await startBroker({ secured: true, settings: { "connections.max.reauth.ms": "2000" } })

const wrong = "not-the-password"

/** A token that nobody signed, as a broker of tests takes it. */
const tokenOf = (subject: string, seconds = 3600): Redacted.Redacted => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
  const now = Math.floor(Date.now() / 1000)
  return Redacted.make(`${part({ alg: "none" })}.${part({ sub: subject, iat: now, exp: now + seconds })}.`)
}

if (started?.secured !== undefined) {
  const { ca, clientCertificate, clientKey, mutualPort, password, saslPort, user } = started.secured
  await createTopic(started, "words", 3)

  const topics = (connection: Partial<KafkaConnection>) =>
    Effect.scoped(
      Effect.flatMap(
        connect({ brokers: `127.0.0.1:${saslPort}`, connectTimeout: 5000, requestTimeout: 5000, ...connection }),
        (cluster) => cluster.topics(["words"])
      )
    )
  const comesIn = (name: string, connection: Partial<KafkaConnection>) =>
    it.live(`comes in: ${name}`, () =>
      Effect.map(topics(connection), ([found]) => assert.equal(found!.partitions.length, 3)))

  const isRefused = (
    name: string,
    connection: Partial<KafkaConnection>,
    reason: KafkaError["reason"],
    words: RegExp
  ) =>
    it.live(`is refused: ${name}`, () =>
      Effect.map(Effect.flip(topics(connection)), (error) => {
        assert.match(error.message, words)
        assert.equal(error.reason, reason)
        const shown = [String(error), error.message, error.stack, JSON.stringify(error)].join("\n")
        for (const secret of [password, wrong, clientKey]) assert.ok(!shown.includes(secret), shown)
      }))

  const tls: Tls = { ca }
  const as = (mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512", given = password): Sasl => ({
    mechanism,
    username: user,
    password: Redacted.make(given)
  })
  const withToken = (token: Redacted.Redacted): Sasl => ({ mechanism: "OAUTHBEARER", token: Effect.succeed(token) })

  for (const mechanism of ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const) {
    comesIn(mechanism, { tls, sasl: as(mechanism) })
    isRefused(
      `${mechanism} with a wrong password`,
      { tls, sasl: as(mechanism, wrong) },
      "Refused",
      /as user tester was refused with SASL_AUTHENTICATION_FAILED \(58\): user, password or token are not accepted/
    )
  }
  comesIn("OAUTHBEARER", { tls, sasl: withToken(tokenOf("someone")) })
  isRefused(
    "a token that has ended",
    { tls, sasl: withToken(tokenOf("someone", -60)) },
    "Refused",
    /token was not accepted/
  )

  const mutual = { brokers: `127.0.0.1:${mutualPort}` }
  const withKey = { ca, certificate: clientCertificate, key: Redacted.make(clientKey) }
  comesIn("with a certificate of its own", { ...mutual, tls: withKey })
  isRefused(
    "no certificate where one is wanted",
    { ...mutual, tls },
    "Refused",
    /certificate.*tls\.certificate and tls\.key/
  )
  comesIn("whose broker is not verified, by its own wish", { tls: { verify: false }, sasl: as("PLAIN") })
  isRefused("a broker whose authority is unknown", { tls: true, sasl: as("PLAIN") }, "Refused", /give tls\.ca/)
  isRefused(
    "a broker whose certificate has another name",
    { tls: { ca, serverName: "kafka.example" }, sasl: as("PLAIN") },
    "Refused",
    /tls\.serverName/
  )
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "dstreams-ca-"))
  const other = makeCertificates(directory)
  fs.rmSync(directory, { recursive: true })
  isRefused("a broker of another authority", { tls: { ca: other.ca }, sasl: as("PLAIN") }, "Refused", /give tls\.ca/)
  isRefused(
    "a certificate of another authority",
    { ...mutual, tls: { ca, certificate: other.clientCertificate, key: Redacted.make(other.clientKey) } },
    "Refused",
    /certificate/
  )
  isRefused("without TLS where it is spoken", { sasl: as("PLAIN") }, "Damaged", /speaks TLS: give the connection tls/)
  isRefused(
    "with TLS where none is spoken",
    { brokers: started.bootstrap, tls },
    "Unavailable",
    /speaks what this connection does/
  )
  isRefused("without SASL where it is wanted", { tls }, "Unavailable", /SASL|connection was lost/)
  isRefused(
    "with SASL where none is wanted",
    { brokers: started.bootstrap, sasl: as("PLAIN") },
    "Refused",
    /no SASL here/
  )

  it.live("a session that ends is followed by another, and no request notices", () =>
    Effect.gen(function* () {
      for (const sasl of [as("SCRAM-SHA-256"), withToken(tokenOf("someone"))]) {
        const cluster = yield* connect({ brokers: `127.0.0.1:${saslPort}`, tls, sasl })
        const until = performance.now() + 5000
        while (performance.now() < until) {
          assert.equal((yield* cluster.topics(["words"])).length, 1)
          yield* Effect.sleep(50)
        }
      }
    }), { timeout: 40_000 })
}
