/**
 * objectErrors: what an object store or its client says when it does not do what was asked, as a `StorageError` with a sentence
 * and a remedy.
 *
 * Stores differ in their codes, and answers to HEAD have no code at all: the code is looked up first, then the status. Sentences are
 * ours; of a server's own words only those of an unknown code are shown, cut short, and without what the environment
 * holds as secret. Signatures, headers and bodies are never shown.
 */
import { StorageError } from "../../runtime/storage/StableStorage.ts"
import type { Environment, ObjectPlace } from "./objectPlace.ts"

/** A request that failed, as the client tells it. */
export interface Refusal {
  /** Of HTTP; undefined: there was no answer. */
  readonly status: number | undefined
  readonly code: string
  readonly message: string
  /** Requests that were sent. */
  readonly attempts: number
  /** For those who run the store. */
  readonly request: string | undefined
}

/** What we see in answers ourselves. */
export class OwnError extends Error {
  constructor(name: "ConditionsNotKept" | "CutAnswer" | "TooManyNames" | "WrongRange", message = "") {
    super(message)
    this.name = name
  }
}

type Reason = StorageError["reason"]
/** Without a sentence the error's own words are shown. */
type Meaning = readonly [reason: Reason, sentence: string | undefined]

const wordsMax = 200

export const refusalOf = (error: unknown): Refusal => {
  const { $metadata, name, code, message } = Object(error) as {
    readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number; readonly requestId?: string }
    readonly name?: unknown
    readonly code?: unknown
    readonly message?: unknown
  }
  const status = $metadata?.httpStatusCode
  const codes = status === undefined ? [code, name] : [name, code]
  return {
    status,
    code: codes.find((one): one is string => typeof one === "string" && /^\w{1,60}$/.test(one)) ?? "Error",
    message: typeof message === "string" ? message : "",
    attempts: $metadata?.attempts ?? 1,
    request: $metadata?.requestId
  }
}

export const isMissing = ({ code, status }: Refusal): boolean =>
  code === "NoSuchKey" || (status === 404 && code !== "NoSuchBucket")

/** Somebody has the name, or is about to have it. */
export const isTaken = ({ code, status }: Refusal): boolean =>
  status === 412 || status === 409 || code === "PreconditionFailed"

/** The right to write is missing; that to read may be there. */
export const isDenied = ({ code, status }: Refusal): boolean => code === "AccessDenied" || status === 405

/** It may be done all the same. */
export const isUncertain = (refusal: Refusal): boolean => meaningOf(refusal)[0] === "Unavailable"

const credentials: Meaning = [
  "ReadOnly",
  "its credentials are not accepted: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile"
]
const expired: Meaning = ["ReadOnly", "its credentials have expired: supply new ones"]
const noCredentials: Meaning = [
  "ReadOnly",
  "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
]
const denied: Meaning = [
  "ReadOnly",
  "the credentials do not permit it: grant s3:GetObject, s3:PutObject, s3:DeleteObject and, on the bucket, s3:ListBucket"
]
const full: Meaning = ["Full", "the store has no room for it: make some, or raise the quota"]
const region: Meaning = ["Invalid", "the bucket is in another region: name it, with ?region= or AWS_REGION"]
const noRegion: Meaning = ["Invalid", "no region is known: name it, with ?region= or AWS_REGION"]
const busy: Meaning = ["Unavailable", "the store is asked more than it can take"]
const slow: Meaning = ["Unavailable", "there was no answer in time"]
const unreachable: Meaning = ["Unavailable", "the store cannot be reached: see that it runs, and check the endpoint"]
const unknownHost: Meaning = [
  "Unavailable",
  "the store's host is not known: check the endpoint, and the bucket's name if pathStyle is not set"
]
const certificate: Meaning = [
  "Invalid",
  "no secure connection can be made: check that the endpoint speaks https, and give its authority in NODE_EXTRA_CA_CERTS"
]
const tooLarge: Meaning = ["Invalid", "the name or the object is larger than the store takes"]

/** What codes mean; the first line that fits counts. */
const byCode: ReadonlyArray<readonly [codes: RegExp, meaning: Meaning]> = [
  [/^NoSuchBucket$/, ["Invalid", "the bucket does not exist: make it, or correct its name"]],
  [/^(CredentialsProviderError|CredentialsError)$/, noCredentials],
  [/^(ExpiredToken\w*|TokenRefreshRequired|RequestExpired)$/, expired],
  [/^(InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|InvalidClientTokenId|UnrecognizedClient\w*)$/, credentials],
  [/^(AuthorizationHeaderMalformed|PermanentRedirect|IllegalLocationConstraintException)$/, region],
  [/^(ConditionalRequestConflict|OperationAborted)$/, ["Unavailable", "others made or removed it at the same time"]],
  [/^RequestTimeTooSkewed$/, ["Unavailable", "this machine's clock differs from the store's: set it"]],
  [/^(\w*Quota\w*|XMinioStorageFull|InsufficientStorage\w*|NoSpaceLeftOnDevice|\w*StorageFull)$/, full],
  [/^(KeyTooLong\w*|EntityTooLarge|MaxMessageLengthExceeded)$/, tooLarge],
  [/^(SlowDown|Throttl\w*|TooManyRequests\w*|RequestLimitExceeded)$/, busy],
  [/^(TimeoutError|RequestTimeout\w*|ETIMEDOUT)$/, slow],
  [/^(ENOTFOUND|EAI_AGAIN)$/, unknownHost],
  [/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL)$/, unreachable],
  [/(^ERR_(TLS|SSL)|CERT|^UNABLE_TO_|^EPROTO$)/, certificate],
  [/^(ECONNRESET|EPIPE|ECONNABORTED|ERR_STREAM_PREMATURE_CLOSE)$/, ["Unavailable", "the connection broke"]],
  [/^AccessDenied\w*$/, denied],
  [/^ConditionsNotKept$/, [
    "Invalid",
    "it takes If-None-Match: * and does not keep it, so that two drivers could have one name: use a store with conditional " +
    "writes, or a directory"
  ]],
  [/^WrongRange$/, ["Invalid", "the answer holds another range than was asked for"]],
  [/^TooManyNames$/, ["Invalid", undefined]]
]

const byStatus = (status: number): Meaning => {
  if (status === 301 || status === 307) return region
  if (status === 401 || status === 403) return denied
  if (status === 405) {
    return ["ReadOnly", "the store does not take such a request for this bucket: see that it may be written to"]
  }
  if (status === 413) return tooLarge
  if (status === 429 || status === 503) return busy
  if (status === 501) return ["Invalid", "the store cannot do it"]
  if (status === 507) return full
  return status >= 500 ? ["Unavailable", "the store failed"] : ["Invalid", undefined]
}

const meaningOf = (refusal: Refusal): Meaning => {
  const known = byCode.find(([codes]) => codes.test(refusal.code))
  if (known !== undefined) return known[1]
  if (refusal.message === "Region is missing") return noRegion
  return refusal.status === undefined ? ["Unavailable", undefined] : byStatus(refusal.status)
}

export const storageError = (
  refusal: Refusal,
  doing: string,
  name: string,
  place: ObjectPlace,
  environment: Environment
): StorageError => {
  const [reason, sentence] = meaningOf(refusal)
  const facts = [
    refusal.code,
    ...(refusal.status === undefined ? [] : [`status ${refusal.status}`]),
    ...(refusal.attempts > 1 ? [`${refusal.attempts} attempts`] : []),
    ...(refusal.request === undefined ? [] : [`request ${shortened(refusal.request)}`])
  ].join(", ")
  const said = sentence ?? shortened(withoutSecrets(refusal.message, environment))
  const subject = name === "" ? doing : `${doing} ${name}`
  return new StorageError({ reason, name, message: `${subject} in ${place.shown} failed: ${said} (${facts})` })
}

const shortened = (words: string): string => {
  const line = words.replaceAll(/\s+/g, " ").trim()
  return line.length > wordsMax ? `${line.slice(0, wordsMax)}...` : line
}

const withoutSecrets = (words: string, environment: Environment): string =>
  ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
    .map((variable) => environment[variable] ?? "")
    .filter((secret) => secret !== "")
    .reduce((text, secret) => text.replaceAll(secret, "(secret)"), words)
