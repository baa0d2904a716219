/**
 * RecordCodec: the port for records that cross an executor's border.
 *
 * `Border.local` hands records on by reference; `Border.coded` turns them into bytes and back, so that what cannot travel
 * (functions, class instances, shared mutable records) shows. Simulation uses the coded one on purpose.
 */
import { Context } from "effect"
import type { Payload } from "../dstream/BatchPlan.ts"

export interface RecordCodec {
  /** Throws an Error that names the value that cannot be encoded. */
  readonly encode: (value: unknown) => ArrayBuffer
  readonly decode: (bytes: ArrayBuffer) => unknown
}

/** How payloads leave and enter an executor. */
export class Border extends Context.Service<Border, {
  readonly pack: (value: unknown) => Payload
  readonly unpack: (payload: Payload) => unknown
}>()("dstreams/Border") {
  /** Inside one process: by reference. */
  static readonly local = Border.of({
    pack: (value) => ({ kind: "value", value }),
    unpack: unpackValue(() => {
      throw new Error("a border of one process has no bytes")
    })
  })

  static readonly coded = (codec: RecordCodec) =>
    Border.of({
      pack: (value) => ({ kind: "bytes", bytes: codec.encode(value) }),
      unpack: unpackValue((bytes) => codec.decode(bytes))
    })
}

function unpackValue(decode: (bytes: ArrayBuffer) => unknown) {
  return (payload: Payload) => payload.kind === "value" ? payload.value : decode(payload.bytes)
}
