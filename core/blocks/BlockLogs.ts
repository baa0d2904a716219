/**
 * BlockLogs: the receivers' write-ahead logs: where they are, and of each stream the newest, as far as reported blocks tell.
 *
 * Each attempt of a receiver writes a log of its own, `epochs/<epoch>/blocks/<stream>/<attempt>/<segment>`. With each block a receiver
 * says before which file of its log nothing is that it has not reported (`logFrom`); that only grows. Blocks of an older attempt are
 * refused once a newer one has reported. The ReceivedBlockTracker keeps both; `neededLogs` tells from it which files can go.
 */
import { Schema } from "effect"
import { epochFolder } from "../checkpoint/names.ts"
import type { StreamId } from "../protocol/Ids.ts"
import { digest } from "../protocol/Digest.ts"
import type { ReceivedBlockInfo } from "./ReceivedBlock.ts"

/** The log of the newest attempt of a stream's receiver of which a block counted. */
export interface NewestLog {
  readonly epoch: number
  readonly attempt: number
  /** Nothing that is still to be reported is in a file before this one; undefined: nothing is known. */
  readonly from?: string | undefined
}

export const NewestLogSchema = Schema.Struct({
  epoch: Schema.Int,
  attempt: Schema.Int,
  from: Schema.optional(Schema.String)
})

/** The folder of an attempt's log; `stream` is a part of a name already (`partOf`). */
export const folderOf = (epoch: number, stream: string, attempt: number): string =>
  `${epochFolder(epoch)}blocks/${stream}/${attempt}`

/** A stream's id as a part of a name; `nameOf` escapes it. One that is too long for storage is cut, and completed by its digest. */
export const partOf = (stream: StreamId, nameOf: (text: string) => string): string => {
  const name = nameOf(stream)
  return name.length <= partLengthMax ? name : `${name.slice(0, partLengthMax - 40)}-${digest(stream)}`
}

const partLengthMax = 200

interface LogFile {
  readonly epoch: number
  readonly stream: string
  readonly attempt: number
}

const pattern = /^epochs\/(\d{8,15})\/blocks\/([^/]+)\/(\d{1,15})\/[^/]+$/

/** undefined: it is no file of such a log. */
export const parse = (file: string): LogFile | undefined => {
  const [, epoch, stream, attempt] = pattern.exec(file) ?? []
  return stream === undefined ? undefined : { epoch: Number(epoch), stream, attempt: Number(attempt) }
}

/** A block counts: nothing of an older attempt will any more. */
export const follow = (logs: Map<StreamId, NewestLog>, info: ReceivedBlockInfo): void => {
  const epoch = epochOf(info)
  const known = logs.get(info.stream)
  const order = known === undefined ? 1 : compare({ epoch, attempt: info.attempt }, known)
  if (order < 0) return
  const before = order === 0 ? known?.from : undefined
  const { logFrom } = info
  const from = before === undefined || (logFrom !== undefined && logFrom > before) ? logFrom : before
  logs.set(info.stream, { epoch, attempt: info.attempt, from })
}

/** A block's identity is `stream/epoch/attempt/sequence`. */
const epochOf = ({ block }: ReceivedBlockInfo): number => Number(block.split("/").at(-3))

export type Attempt = Pick<NewestLog, "epoch" | "attempt">

export const compare = (a: Attempt, b: Attempt): number => a.epoch - b.epoch || a.attempt - b.attempt
