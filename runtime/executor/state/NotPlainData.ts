/**
 * NotPlainData: a state of the program's that cannot be encoded, now or ever, and which one it is.
 */
import { describeError } from "../../../core/protocol/describeError.ts"
import { describeValue } from "../../../core/protocol/describeValue.ts"
import type { RecordCodec } from "../../../core/protocol/RecordCodec.ts"

export class NotPlainData {
  readonly why: string

  constructor(why: string) {
    this.why = why
  }
}

/** What of a piece cannot be encoded: the state of which key, where it has such columns. */
export const whatIsNot = (piece: unknown, codec: RecordCodec, cause: unknown): string => {
  const { keys, values } = piece as { readonly keys?: unknown; readonly values?: unknown }
  if (!Array.isArray(values)) return describeError(cause)
  for (let i = 0; i < values.length; i++) {
    try {
      codec.encode(values[i])
    } catch (error) {
      const which = Array.isArray(keys) ? `the state of the key ${describeValue(keys[i])}` : "a state"
      return `${which}: ${describeError(error)}`
    }
  }
  return describeError(cause)
}
