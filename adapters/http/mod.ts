/**
 * Http: streams of what clients post to an HTTP server that runs in the receiver: lines of text, or JSON of a schema.
 *
 * A client that got its 200 knows that its records are as safe as `survives` says; one that got no answer, or 503, sends
 * again, and the records may then come twice. It listens on the loopback address unless `host` says otherwise; it knows no TLS
 * and no passwords: put a proxy in front of it where others can reach it. When the receiver is started on another executor, it
 * listens there.
 */
import { Schema } from "effect"
import * as DStream from "../../core/dstream/DStream.ts"
import { describeValue } from "../../core/protocol/describeValue.ts"
import * as Receiver from "../../core/receiving/Receiver.ts"
import { type DurationInput, millisOrNaN } from "../../core/time/Time.ts"
import { decodeLines } from "../socket/LineFramer.ts"
import * as BodyFormat from "./BodyFormat.ts"
import { type HttpServerFailed, serve, type Settings } from "./HttpReceiver.ts"

export { HttpServerFailed } from "./HttpReceiver.ts"

export interface HttpOptions {
  readonly port: number
  /** Address or name to listen on. 127.0.0.1 */
  readonly host?: string | undefined
  /** Where clients post. "/" */
  readonly path?: string | undefined
  /** A longer body is refused (413). 8 MiB */
  readonly maxBodyBytes?: number | undefined
  /** Bodies that wait to be stored; beyond them clients are sent away (503). 64 MiB */
  readonly maxPendingBytes?: number | undefined
  /** Connections at the same time; further ones are closed. 1,000 */
  readonly maxConnections?: number | undefined
  /** Least time between two blocks: what comes meanwhile is stored together. 10 milliseconds */
  readonly gatherInterval?: DurationInput | undefined
  /** MEMORY_AND_DISK_2 */
  readonly storageLevel?: Receiver.StorageLevel | undefined
  /** With a checkpoint place "cold": in a write-ahead log. See "what is lost when" in docs/sources.md. */
  readonly survives?: Receiver.Survives | undefined
  /** Host of the executor on which it would best run. */
  readonly preferredHost?: string | undefined
}

/** An HTTP receiver cannot be what its options say. */
export class InvalidHttpStream extends Schema.TaggedError<InvalidHttpStream>()("InvalidHttpStream", {
  option: Schema.String,
  message: Schema.String
}) {}

/** The lines that are posted, in UTF-8, ended by "\n" or "\r\n". Throws `InvalidHttpStream`. */
export const textStream = (options: HttpOptions): DStream.DStream<string, HttpServerFailed> =>
  make("httpText", options, BodyFormat.text, decodeLines)

/**
 * The values that are posted: one, an array of them, or one a line (JSON lines), each decoded by `schema`. Decoded records
 * have to be plain data, as all records that travel. Throws `InvalidHttpStream`.
 */
export const jsonStream = <A>(
  options: HttpOptions & { readonly schema: Schema.ConstraintDecoder<A> }
): DStream.DStream<A, HttpServerFailed> => {
  if (!Schema.isSchema(options.schema)) throw invalid("schema", "a Schema", options.schema)
  return make("httpJson", options, BodyFormat.json(options.schema), undefined)
}

const make = <A, Body>(
  kind: string,
  options: HttpOptions,
  format: BodyFormat.BodyFormat<A, Body>,
  decode: ((bytes: Uint8Array) => ReadonlyArray<A>) | undefined
): DStream.DStream<A, HttpServerFailed> => {
  const settings = settingsOf(options)
  const receiver = Receiver.make<A, HttpServerFailed, never>({
    name: `HttpReceiver(${settings.host}:${settings.port}${settings.path})`,
    storageLevel: options.storageLevel,
    survives: options.survives,
    preferredHost: options.preferredHost,
    onStart: (store) => serve(settings, format, store)
  })
  return DStream.fromInput<A, HttpServerFailed, never>(kind, { kind: "receiver", receiver, decode }, { ...options })
}

const mebibyte = 1024 * 1024
const portMax = 65_535

const settingsOf = (options: HttpOptions): Settings => {
  const settings: Settings = {
    host: options.host ?? "127.0.0.1",
    port: options.port,
    path: options.path ?? "/",
    maxBodyBytes: options.maxBodyBytes ?? 8 * mebibyte,
    maxPendingBytes: options.maxPendingBytes ?? 64 * mebibyte,
    maxConnections: options.maxConnections ?? 1000,
    gatherMillis: millisOrNaN(options.gatherInterval ?? "10 millis")
  }
  const { gatherMillis, host, path, port } = settings
  if (typeof host !== "string" || host.trim() === "") throw invalid("host", "a name or an address", host)
  if (!isCount(port) || port > portMax) throw invalid("port", `a whole number from 1 to ${portMax}`, port)
  if (typeof path !== "string" || !/^\/[^?#]*$/.test(path)) throw invalid("path", `a path that begins with "/"`, path)
  for (const limit of ["maxBodyBytes", "maxPendingBytes", "maxConnections"] as const) {
    if (!isCount(settings[limit])) throw invalid(limit, "a whole number of at least 1", settings[limit])
  }
  if (!(gatherMillis >= 0 && Number.isFinite(gatherMillis))) {
    throw invalid("gatherInterval", "a duration", options.gatherInterval)
  }
  return settings
}

const isCount = (value: number) => Number.isSafeInteger(value) && value >= 1

const invalid = (option: string, needs: string, value: unknown) =>
  new InvalidHttpStream({
    option,
    message: `The ${option} of an HTTP receiver has to be ${needs}, and is ${describeValue(value)}`
  })
