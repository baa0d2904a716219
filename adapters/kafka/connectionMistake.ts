/**
 * connectionMistake: what is wrong with the options by which a cluster is reached, in a sentence; undefined: nothing that can be seen here.
 * Programs are not always type-checked before they run, and a name that is misspelt must not leave a connection without encryption.
 */
import { Effect, Redacted } from "effect"
import { describeValue } from "../../core/protocol/describeValue.ts"
import { nearest } from "../../core/settings/invalidSettings.ts"
import { millisOrNaN } from "../../core/time/Time.ts"
import type { KafkaConnection, Sasl, Tls } from "./KafkaConnection.ts"

type Options = Readonly<Record<string, unknown>>

/** Names that are options of a connection. */
export const connectionOptions = Object.keys(
  {
    brokers: true,
    clientId: true,
    tls: true,
    sasl: true,
    connectTimeout: true,
    requestTimeout: true
  } satisfies Record<keyof KafkaConnection, true>
)

const tlsOptions = Object.keys(
  {
    ca: true,
    certificate: true,
    key: true,
    serverName: true,
    verify: true
  } satisfies Record<keyof Tls, true>
)

const mechanisms: ReadonlyArray<Sasl["mechanism"]> = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

/** What other clients call them. */
const elsewhere: Options = {
  ssl: "tls",
  bootstrapBrokers: "brokers",
  bootstrapServers: "brokers",
  groupId: "group",
  fromBeginning: "start"
}

const isObject = (value: unknown): value is Options => typeof value === "object" && value !== null
const isName = (value: unknown): boolean => typeof value === "string" && value !== ""
const isDuration = (value: unknown): boolean => {
  const millis = millisOrNaN(value)
  return millis > 0 && Number.isFinite(millis)
}

/** The first option that is none of these. */
export const unknownOption = (options: Options, names: ReadonlyArray<string>): string | undefined => {
  const name = Object.keys(options).find((option) => options[option] !== undefined && !names.includes(option))
  if (name === undefined) return undefined
  const meant = elsewhere[name] ?? nearest(name, names)
  return `there is no option ${name}${meant === undefined ? "" : `; did you mean ${meant}?`}`
}

export const connectionMistake = (options: Options): string | undefined => {
  const { brokers, clientId, sasl, tls } = options
  if (!(isName(brokers) || (Array.isArray(brokers) && brokers.length > 0 && brokers.every(isName)))) {
    return `brokers has to be "host:port", or a list of these, and is ${describeValue(brokers)}`
  }
  if (clientId !== undefined && !isName(clientId)) return `clientId has to be a name, and is ${describeValue(clientId)}`
  for (const name of ["connectTimeout", "requestTimeout"]) {
    if (options[name] === undefined || isDuration(options[name])) continue
    return `${name} has to be a duration above zero, and is ${describeValue(options[name])}`
  }
  return tlsMistake(tls) ?? saslMistake(sasl)
}

const tlsMistake = (tls: unknown): string | undefined => {
  if (tls === undefined || typeof tls === "boolean") return undefined
  if (!isObject(tls)) {
    return `tls has to be true or an object with ca, certificate and key, and is ${describeValue(tls)}`
  }
  const unknown = unknownOption(tls, tlsOptions)
  if (unknown !== undefined) return `of tls ${unknown}`
  for (const name of ["ca", "certificate", "serverName"]) {
    if (tls[name] !== undefined && !isName(tls[name])) {
      return `tls.${name} has to be text, and is ${describeValue(tls[name])}`
    }
  }
  return tls["key"] === undefined || Redacted.isRedacted(tls["key"]) ? undefined : notRedacted("tls.key")
}

const saslMistake = (sasl: unknown): string | undefined => {
  if (sasl === undefined) return undefined
  if (!isObject(sasl)) return `sasl has to be an object with a mechanism, and is of another kind`
  const { mechanism, password, token, username } = sasl
  if (!mechanisms.includes(mechanism as Sasl["mechanism"])) {
    return `sasl.mechanism has to be ${mechanisms.join(" or ")}, and is ${describeValue(mechanism)}`
  }
  if (mechanism === "OAUTHBEARER") {
    return Effect.isEffect(token) ? undefined : "sasl.token has to be an Effect that gives a Redacted text"
  }
  if (!isName(username)) return `sasl.username has to be text, and is ${describeValue(username)}`
  return Redacted.isRedacted(password) ? undefined : notRedacted("sasl.password")
}

/** The secret itself is not shown. */
const notRedacted = (option: string): string =>
  `${option} has to be a Redacted value, so that no log and no checkpoint shows it: Redacted.make(...), or Config.Redacted`
