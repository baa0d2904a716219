/**
 * Socket: streams of what a TCP server sends: lines of text, records of a decoder of your own, frames of raw bytes, or numbered lines
 * that are acknowledged.
 *
 * A socket has no memory: what the receiver had not stored when it or its executor was lost is gone, unless the server keeps its
 * lines until they are acknowledged. Source: Spark Streaming's `socketTextStream`, `socketStream` and `rawSocketStream`.
 */
import * as DStream from "../../core/dstream/DStream.ts"
import * as AcknowledgedReceiver from "./AcknowledgedReceiver.ts"
import { decodeLines } from "./LineFramer.ts"
import { rawFraming } from "./rawFraming.ts"
import { recordFraming, type SocketDecoder } from "./recordFraming.ts"
import * as SocketReceiver from "./SocketReceiver.ts"
import { textFraming } from "./textFraming.ts"

export type { AcknowledgedOptions } from "./AcknowledgedReceiver.ts"
export { InvalidSocket, type SocketOptions } from "./SocketReceiver.ts"
export type { SocketDecoder } from "./recordFraming.ts"

export interface TextOptions extends SocketReceiver.SocketOptions {
  /** Longest line in bytes; a longer one is dropped, reported and counted. 1 MiB. */
  readonly maxLineBytes?: number | undefined
}

/** Lines of UTF-8, ended by "\n" or "\r\n". Kept as bytes, and decoded where a block is read. */
export const textStream = (options: TextOptions): DStream.DStream<string> =>
  DStream.fromInput<string, never, never>("socketText", {
    kind: "receiver",
    receiver: SocketReceiver.make<string>(options, () => textFraming(options.maxLineBytes)),
    decode: decodeLines
  }, { ...options })

/** Records as `decode` makes them of the bytes; it is called anew for each connection. */
export const stream = <A>(
  options: SocketReceiver.SocketOptions & { readonly decode: () => SocketDecoder<A> }
): DStream.DStream<A> =>
  DStream.fromInput<A, never, never>("socket", {
    kind: "receiver",
    receiver: SocketReceiver.make<A>(options, () => recordFraming(options.decode())),
    decode: undefined
  }, { ...options })

export interface RawOptions extends SocketReceiver.SocketOptions {
  /** A longer frame closes the connection, which is reported. 16 MiB */
  readonly maxFrameBytes?: number | undefined
}

/**
 * Frames of bytes, each after its length as 4 bytes, the highest first: the cheapest way in, for a server that sends encoded
 * records. A frame is stored as it came, and is one record, the bytes, unless `decode` makes others of it where its block is read;
 * receiving counts it as one in any case.
 */
export const rawStream: {
  <A>(options: RawOptions & { readonly decode: (bytes: Uint8Array) => ReadonlyArray<A> }): DStream.DStream<A>
  (options: RawOptions): DStream.DStream<Uint8Array>
} = (options: RawOptions & { readonly decode?: (bytes: Uint8Array) => ReadonlyArray<any> }): DStream.DStream<any> =>
  DStream.fromInput<any, never, never>("socketRaw", {
    kind: "receiver",
    receiver: SocketReceiver.make<any>(options, () => rawFraming(options.maxFrameBytes)),
    decode: options.decode
  }, { ...options })

/**
 * Lines of a server that numbers them and keeps each until it is acknowledged (the protocol: `AcknowledgedReceiver.ts`, and
 * docs/sources.md). Each line is received once, whatever is lost in between, as far as its blocks survive.
 */
export const acknowledgedStream = (options: AcknowledgedReceiver.AcknowledgedOptions): DStream.DStream<string> =>
  DStream.fromInput<string, never, never>("socketAcknowledged", {
    kind: "receiver",
    receiver: AcknowledgedReceiver.make(options),
    decode: undefined
  }, { ...options })
