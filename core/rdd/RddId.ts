/**
 * RddId: `stream@time:position`, the id of an RDD made and read.
 *
 * A stream's name may hold any characters, `@` and `:` too, so that an id is read from its end.
 */
import type { RddId, StreamId } from "../protocol/Ids.ts"
import type { Time } from "../time/Time.ts"

export interface RddIdParts {
  readonly stream: StreamId
  readonly time: Time
  readonly position: number
}

export const make = (parts: RddIdParts): RddId => `${parts.stream}@${parts.time}:${parts.position}`

/** The place of a version of a state: one per operator and batch, so that the next version can name it without deriving it. */
export const statePosition = -1

/** The id of a version of a stateful operator's state. */
export const stateId = (stream: StreamId, time: Time): RddId => make({ stream, time, position: statePosition })

/** The parts of an id. Throws where the text is none. */
export const parse = (id: RddId): RddIdParts => {
  const colon = id.lastIndexOf(":")
  const at = id.lastIndexOf("@", colon)
  const time = wholeNumber(id, at + 1, colon)
  const position = wholeNumber(id, colon + 1, id.length)
  if (at < 0 || colon < 0 || Number.isNaN(time) || Number.isNaN(position)) {
    throw new Error(`"${id}" is no id of an RDD: it has to read stream@time:position`)
  }
  return { stream: id.slice(0, at), time, position }
}

/** The batch time of an RDD. Throws where the text is no id. */
export const timeOf = (id: RddId): Time => parse(id).time

const wholeNumber = (text: string, from: number, to: number): number => {
  const digits = text.slice(from, to)
  return /^-?\d+$/.test(digits) ? Number(digits) : NaN
}
