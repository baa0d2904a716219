/**
 * settings: what a program says of its connection, checked and in the form in which connections need it. Secrets stay redacted until a
 * connection is opened.
 */
import { Effect, Redacted } from "effect"
import { millisOf } from "../../../../core/time/Time.ts"
import type { KafkaConnection, Sasl, Tls } from "../../KafkaConnection.ts"
import { KafkaError } from "../../KafkaError.ts"

export interface Address {
  readonly host: string
  readonly port: number
}

export interface Settings {
  /** For messages. */
  readonly name: string
  readonly bootstrap: ReadonlyArray<Address>
  readonly clientId: string
  readonly tls: Tls | undefined
  readonly sasl: Sasl | undefined
  readonly connectMillis: number
  readonly requestMillis: number
}

const portDefault = 9092

export const showAddress = ({ host, port }: Address): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

export const settingsOf = (connection: KafkaConnection): Effect.Effect<Settings, KafkaError> =>
  Effect.suspend(() => {
    const { brokers, clientId, connectTimeout, requestTimeout, sasl, tls } = connection
    const texts = (typeof brokers === "string" ? brokers.split(",") : brokers).map((text) => text.trim())
    const bootstrap = texts.map(addressOf)
    const wrong = texts.find((_, i) => bootstrap[i] === undefined)
    if (wrong !== undefined) return refused(`"${wrong}" is no address of a broker: write host:port`)
    if (bootstrap.length === 0) return refused("no broker is named: write host:port of one or more as brokers")
    const tlsOptions = tls === true ? {} : tls === false ? undefined : tls
    if ((tlsOptions?.certificate === undefined) !== (tlsOptions?.key === undefined)) {
      return refused("tls has a certificate without a key, or a key without a certificate: mutual TLS needs both")
    }
    const unreadable = unreadablePem(tlsOptions ?? {})
    if (unreadable !== undefined) return refused(`tls.${unreadable} is no text in PEM (-----BEGIN ...)`)
    if (sasl !== undefined && sasl.mechanism !== "OAUTHBEARER" && sasl.username === "") {
      return refused("sasl has an empty username")
    }
    return Effect.succeed({
      name: texts.join(","),
      bootstrap: bootstrap as ReadonlyArray<Address>,
      clientId: clientId ?? "dstreams",
      tls: tlsOptions,
      sasl,
      connectMillis: millisOf(connectTimeout ?? "10 seconds"),
      requestMillis: millisOf(requestTimeout ?? "30 seconds")
    })
  })

const refused = (what: string) =>
  Effect.fail(new KafkaError({ reason: "Options", message: `The connection to Kafka cannot be: ${what}` }))

const isCertificate = (text: string) => text.includes("-----BEGIN CERTIFICATE-----")

const unreadablePem = ({ ca, certificate, key }: Tls): "ca" | "certificate" | "key" | undefined => {
  if (ca !== undefined && !isCertificate(ca)) return "ca"
  if (certificate !== undefined && !isCertificate(certificate)) return "certificate"
  return key !== undefined && !/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(Redacted.value(key)) ? "key" : undefined
}

/** `host`, `host:port`, `[IPv6]` or `[IPv6]:port`. */
const addressOf = (text: string): Address | undefined => {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/@]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = bracketed ?? plain
  const number = port === undefined ? portDefault : Number(port)
  return host === undefined || number < 1 || number > 65_535 ? undefined : { host, port: number }
}

/** As `node:tls` has them. */
export const tlsOptionsOf = ({ ca, certificate, key, serverName, verify }: Tls) => ({
  ...(ca === undefined ? {} : { ca }),
  ...(certificate === undefined ? {} : { cert: certificate }),
  ...(key === undefined ? {} : { key: Redacted.value(key) }),
  ...(serverName === undefined ? {} : { servername: serverName }),
  rejectUnauthorized: verify !== false
})
