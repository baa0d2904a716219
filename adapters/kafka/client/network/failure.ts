/**
 * failure: what sockets, TLS, SASL and answers that cannot be read throw, as a KafkaError. Nothing of a secret is in its message: only what
 * brokers and sockets say.
 */
import { describeError } from "../../../../core/protocol/describeError.ts"
import type { KafkaError } from "../../KafkaError.ts"
import { describeSubject, kafkaError, refusalOf, type Subject } from "./codes.ts"
import type { Settings } from "./settings.ts"

/** An error of the package or of a socket, with what it was caused by. */
interface Fault {
  readonly code?: unknown
  readonly apiId?: unknown
  readonly apiCode?: unknown
  readonly message?: unknown
  readonly serverErrorMessage?: unknown
}

/** It is not there any more, and no socket says why. */
export class ConnectionLost extends Error {}

const causesMax = 20

/** The error and its causes, outermost first. */
const causesOf = (error: unknown): ReadonlyArray<Fault> => {
  const found: Array<Fault> = []
  const visit = (value: unknown) => {
    if (typeof value !== "object" || value === null || found.length === causesMax) return
    found.push(value as Fault)
    const { cause, errors } = value as { readonly cause?: unknown; readonly errors?: unknown }
    if (Array.isArray(errors)) errors.forEach(visit)
    visit(cause)
  }
  visit(error)
  return found
}

const certificate = new RegExp(
  [
    "certificate",
    "SELF_SIGNED",
    "UNABLE_TO_(VERIFY|GET_ISSUER)",
    "CERT_",
    "ERR_TLS_CERT_ALTNAME_INVALID",
    "UnknownIssuer",
    "CaUsedAsEndEntity",
    "NotValidForName"
  ].join("|"),
  "i"
)
const tlsFailed = /ERR_SSL|EPROTO|TLS handshake failed|wrong version number|InvalidContentType|received corrupt message/

/** Why a connection to a broker was not made. */
export const connectFailure = (error: unknown, broker: string, settings: Settings): KafkaError => {
  const faults = causesOf(error)
  const texts = faults.map(({ code, message }) => `${String(code)} ${String(message)}`).join("\n")
  const innermost = describeFault(faults.at(-1) ?? {}, error)
  const subject = { request: "connect" }
  const refused = faults.find(({ apiCode }) => typeof apiCode === "number")
  const user = settings.sasl === undefined ? "" : ` with SASL ${settings.sasl.mechanism}` +
    (settings.sasl.mechanism === "OAUTHBEARER" ? "" : ` as user ${settings.sasl.username}`)
  if (refused !== undefined) {
    const error = refusalOf(
      refused.apiCode as number,
      { request: `Connecting to the broker ${broker}${user}` },
      textOf(refused)
    )
    return kafkaError(error.reason === "Other" ? "Refused" : error.reason, subject, error.message)
  }
  if (certificate.test(texts)) return badCertificate(broker, subject, innermost)
  if (tlsFailed.test(texts)) {
    return kafkaError(
      "Refused",
      subject,
      `No TLS can be spoken with the broker ${broker} (${innermost}): see that the port is that of a ` +
        "listener with TLS (SSL or SASL_SSL), and leave tls out where it is none"
    )
  }
  if (faults.some(({ code }) => code === "PLT_KFK_AUTHENTICATION") && !faults.some(isNetwork)) {
    return kafkaError(
      "Refused",
      subject,
      `The broker ${broker} did not authenticate itself or this program${user} (${innermost}): ` +
        "see to sasl: mechanism, user and password"
    )
  }
  return kafkaError(
    "Unavailable",
    subject,
    `The broker ${broker} cannot be reached${user} (${innermost}): see that it runs, that host and ` +
      "port are right and that a listener there speaks what this connection does (TLS, SASL); brokers that are found are named as their " +
      "advertised.listeners says"
  )
}

const badCertificate = (broker: string, subject: Subject, said: string): KafkaError =>
  kafkaError(
    "Refused",
    subject,
    `The broker ${broker} and this program do not accept each other's certificate (${said}): give tls.ca the certificate that signed the ` +
      "broker's, in PEM, tls.serverName where the broker's certificate has another name, and tls.certificate and tls.key where the listener " +
      "wants them"
  )

const textOf = ({ serverErrorMessage }: Fault) =>
  typeof serverErrorMessage === "string" ? serverErrorMessage : undefined

const isNetwork = (fault: Fault): boolean => fault instanceof ConnectionLost || isSocketCode(fault.code)

const isSocketCode = (code: unknown): boolean =>
  typeof code === "string" && /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_)/.test(code)

const describeFault = ({ code, message }: Fault, error: unknown): string => {
  if (typeof message !== "string" || message === "") return typeof code === "string" ? code : describeError(error)
  return typeof code === "string" && !code.startsWith("PLT_") && !message.includes(code)
    ? `${code}: ${message}`
    : message
}

/** Why there was no answer to a request that was sent. */
export const requestFailure = (error: unknown, broker: string, subject: Subject): KafkaError => {
  const faults = causesOf(error)
  const what = `${subject.request}${describeSubject(subject)}`
  const innermost = describeFault(faults.at(-1) ?? {}, error)
  // Whoever comes without a certificate is told so only after the handshake (TLS 1.3).
  if (certificate.test(innermost)) return badCertificate(broker, subject, innermost)
  if (faults.some(isNetwork) || tlsFailed.test(innermost)) {
    return kafkaError(
      "Unavailable",
      subject,
      `The broker ${broker} did not answer ${what}: the connection was lost ` +
        `(${innermost}); it may have been done. See that the broker runs, and try again`
    )
  }
  return kafkaError(
    "Damaged",
    subject,
    `The answer of the broker ${broker} to ${what} cannot be read (${describeError(error)}): see that it ` +
      "is a broker of Apache Kafka 3.1 or later, or one that speaks as they do"
  )
}

export const lateAnswer = (broker: string, subject: Subject, millis: number): KafkaError =>
  kafkaError(
    "Unavailable",
    subject,
    `The broker ${broker} did not answer ${subject.request}${describeSubject(subject)} within ${millis} ms; ` +
      "it may have been done. See that the broker runs and is not overloaded, or raise requestTimeout; then try again"
  )
