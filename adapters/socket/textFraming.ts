/**
 * textFraming: lines of text, stored as chunks of bytes. What was dropped or is not UTF-8 is reported when it first happens on
 * a connection, and with its number when the connection ends.
 */
import * as LineFramer from "./LineFramer.ts"
import type { Framing } from "./SocketReceiver.ts"

export const maxLineBytesDefault = 1024 * 1024

export const textFraming = (maxLineBytes = maxLineBytesDefault): Framing<string> => {
  const framer = LineFramer.make(maxLineBytes)
  let dropped = 0
  let invalid = 0
  return {
    data: (bytes, store) => {
      const framed = framer.push(bytes)
      if (framed.dropped > 0 && dropped === 0) {
        store.reportError(
          `A line of more than ${maxLineBytes} bytes was dropped; raise maxLineBytes to keep such lines`
        )
      }
      if (framed.invalid > 0 && invalid === 0) {
        store.reportError("A line is not UTF-8; what is invalid of it is read as U+FFFD")
      }
      dropped += framed.dropped
      invalid += framed.invalid
      return framed.bytes === undefined || store.chunk(framed.bytes, framed.lines)
    },
    end: (store) => {
      const framed = framer.end()
      invalid += framed.invalid
      if (dropped + invalid > 0) {
        store.reportError(`On this connection ${dropped} lines were too long and dropped, ${invalid} were not UTF-8`)
      }
      if (framed.bytes !== undefined) store.chunk(framed.bytes, framed.lines)
    }
  }
}
