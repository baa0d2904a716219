/**
 * authenticate: who a connection's user is, by SASL, in the package's makings of its mechanisms. Passwords and tokens are out of their wrapping
 * for so long only.
 */
import type { Connection } from "@platformatic/kafka"
import { Effect, Redacted } from "effect"
import { describeError } from "../../../../core/protocol/describeError.ts"
import type { Sasl } from "../../KafkaConnection.ts"
import type { KafkaError } from "../../KafkaError.ts"
import { kafkaError } from "./codes.ts"
import type { Package } from "./platformatic.ts"

export type SaslSecrets =
  | {
    readonly mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512"
    readonly username: string
    readonly password: string
  }
  | { readonly mechanism: "OAUTHBEARER"; readonly token: string; readonly extensions: Record<string, string> }

/** A token is asked for at each connection, so it is never one that has ended. */
export const saslSecretsOf = (sasl: Sasl, broker: string): Effect.Effect<SaslSecrets, KafkaError> => {
  if (sasl.mechanism !== "OAUTHBEARER") {
    const { mechanism, password, username } = sasl
    return Effect.sync(() => ({ mechanism, username, password: Redacted.value(password) }))
  }
  const { extensions, mechanism, token } = sasl
  return Effect.mapBoth(token, {
    onSuccess: (token) => ({ mechanism, token: Redacted.value(token), extensions: { ...extensions } }),
    onFailure: (error) => noToken(broker, describeError(error))
  })
}

export const noToken = (broker: string, why: string): KafkaError =>
  kafkaError(
    "Unavailable",
    { request: "connect" },
    `No token could be had for the broker ${broker} (${why}): see to sasl.token`
  )

/** Gives how many milliseconds the session lasts; 0: without end. Fails with what the package throws. */
export const authenticate = (
  kafka: Package,
  connection: Connection,
  sasl: SaslSecrets
): Effect.Effect<number, unknown> =>
  Effect.tryPromise({
    try: async () => {
      await kafka.saslHandshakeV1.api.async(connection, sasl.mechanism)
      const { authBytes, sessionLifetimeMs } = await exchange(kafka, connection, sasl)
      // A broker that does not take a token says so in words, and not by an error code.
      if (sasl.mechanism === "OAUTHBEARER" && authBytes.length > 0) {
        throw new TokenRefused(authBytes.toString("utf8", 0, 1000))
      }
      return Number(sessionLifetimeMs)
    },
    catch: (error) => error
  })

const exchange = (kafka: Package, connection: Connection, sasl: SaslSecrets) => {
  const { api } = kafka.saslAuthenticateV2
  switch (sasl.mechanism) {
    case "PLAIN":
      return kafka.saslPlain.authenticate(api, connection, sasl.username, sasl.password)
    case "OAUTHBEARER":
      return kafka.saslOAuthBearer.authenticate(api, connection, sasl.token, sasl.extensions)
    default: {
      const hash = sasl.mechanism === "SCRAM-SHA-256" ? "SHA-256" : "SHA-512"
      return kafka.saslScramSha.authenticate(api, connection, hash, sasl.username, sasl.password)
    }
  }
}

/** As the package tells what it does not accept itself. */
class TokenRefused extends Error {
  readonly code = "PLT_KFK_AUTHENTICATION"
  constructor(said: string) {
    super(`the token was not accepted: ${said}`)
  }
}
