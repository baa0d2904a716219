/**
 * recordFraming: records of a decoder that the user gives.
 */
import type { Framing } from "./SocketReceiver.ts"

/** Makes records of the bytes of one connection; it keeps what is not complete. What it throws closes the connection. */
export interface SocketDecoder<out A> {
  /** `bytes` may be reused afterwards: copy what you keep. */
  readonly push: (bytes: Uint8Array) => Iterable<A>
  /** The connection is over. */
  readonly end?: (() => Iterable<A>) | undefined
}

export const recordFraming = <A>(decoder: SocketDecoder<A>): Framing<A> => ({
  data: (bytes, store) => {
    let goOn = true
    for (const record of decoder.push(bytes)) goOn = store.single(record)
    return goOn
  },
  end: (store) => {
    for (const record of decoder.end?.() ?? []) store.single(record)
  }
})
