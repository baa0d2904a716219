/**
 * RddId: `stream@time:position`. A stream's name may hold any characters, so an id is read from its end.
 */
import type { Time } from "../time/Time.ts"
import type { RddId, StreamId } from "./Ids.ts"

export interface RddIdParts {
  readonly stream: StreamId
  readonly time: Time
  readonly position: number
}

export const formatRddId = ({ stream, time, position }: RddIdParts): RddId => `${stream}@${time}:${position}`

export const parseRddId = (id: RddId): RddIdParts => {
  const colon = id.lastIndexOf(":")
  const at = id.lastIndexOf("@", colon)
  if (at < 0 || colon < 0) throw new Error(`"${id}" is no id of a data set: it has to be stream@time:position`)
  return { stream: id.slice(0, at), time: Number(id.slice(at + 1, colon)), position: Number(id.slice(colon + 1)) }
}

/** The batch time in an id, for forgetting. */
export const timeOfRddId = (id: RddId): Time => parseRddId(id).time
