/**
 * Socket: streams of what a TCP server sends: lines of text, or records of a decoder of your own.
 *
 * A socket has no memory: what the receiver had not stored when it or its executor was lost is gone. Source: Spark Streaming's
 * `socketTextStream` and `socketStream`.
 */
import * as DStream from "../../core/dstream/DStream.ts"
import { decodeLines } from "./LineFramer.ts"
import { recordFraming, type SocketDecoder } from "./recordFraming.ts"
import * as SocketReceiver from "./SocketReceiver.ts"
import { textFraming } from "./textFraming.ts"

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
