/**
 * rawFraming: frames of bytes, each after its length as 4 bytes, the highest first; stored as they come, never decoded here.
 *
 * A frame longer than `maxFrameBytes` closes the connection: nobody can tell where the next begins. Of a frame that was not
 * complete when the connection closed, nothing is stored; it is reported. Source: Spark Streaming's `RawNetworkReceiver`.
 */
import type { Framing } from "./SocketReceiver.ts"

export const maxFrameBytesDefault = 16 * 1024 * 1024

const headerBytes = 4

export const rawFraming = (maxFrameBytes = maxFrameBytesDefault): Framing<Uint8Array> => {
  const header = new Uint8Array(headerBytes)
  /** The frame that is being filled; undefined: its length is not complete. */
  let frame: Uint8Array | undefined
  /** Bytes of the header or of the frame that have come. */
  let filled = 0

  const begin = (): void => {
    const length = new DataView(header.buffer).getUint32(0)
    if (length > maxFrameBytes) {
      throw new Error(
        `A frame of ${length} bytes is longer than maxFrameBytes, ${maxFrameBytes}: raise it, or correct what the server ` +
          "sends (4 bytes of length, the highest first, then as many bytes)"
      )
    }
    frame = new Uint8Array(length)
    filled = 0
  }

  return {
    data: (bytes, store) => {
      let goOn = true
      let at = 0
      while (at < bytes.byteLength) {
        const target = frame ?? header
        const taken = Math.min(target.byteLength - filled, bytes.byteLength - at)
        target.set(bytes.subarray(at, at + taken), filled)
        filled += taken
        at += taken
        if (filled === headerBytes && frame === undefined) begin()
        if (frame !== undefined && filled === frame.byteLength) {
          goOn = store.chunk(frame, 1)
          frame = undefined
          filled = 0
        }
      }
      return goOn
    },
    end: (store) => {
      if (frame === undefined && filled === 0) return
      const length = frame === undefined ? "an unknown number" : frame.byteLength
      store.reportError(`The connection ended within a frame: ${filled} of ${length} bytes had come, and are dropped`)
    }
  }
}
