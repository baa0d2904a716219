/**
 * The files of drivers' logs, and the events of received blocks that they hold, as vectors tell them.
 */
import { Effect, Result } from "effect"
import { messagePack } from "../../../../adapters/codec/MessagePack.ts"
import type { ReceivedBlockInfo } from "../../../../core/blocks/ReceivedBlock.ts"
import type { DriverLogEvent } from "../../../../core/checkpoint/DriverLogEvent.ts"
import * as names from "../../../../core/checkpoint/names.ts"
import { segmentOf } from "../../../../core/wal/LogPosition.ts"
import { decodedEvent } from "../../../../runtime/driver/checkpoint/recover.ts"
import type { MemoryStorage } from "../../../../runtime/storage/memoryStorage.ts"
import { readLog } from "../../../../runtime/storage/readLog.ts"
import type { Json } from "../../Vector.ts"

type NameOf = (info: ReceivedBlockInfo) => string

const isLogFile = (file: string): boolean => segmentOf(names.logPrefix(names.epochOf(file) ?? 0), file) !== undefined

/** Of all drivers, in order. */
export const logFiles = (storage: MemoryStorage) =>
  Effect.map(storage.list(names.epochs), (all) => all.filter(isLogFile))

/** undefined: it is of no block. */
const asTold = (event: DriverLogEvent, nameOf: NameOf): Json => {
  switch (event.kind) {
    case "BlockAddition":
      return { added: [nameOf(event.info)] }
    case "BatchAllocation": {
      const ofStreams = event.blocks.map(([stream, infos]) => [stream, infos.map(nameOf)] as const)
      return { allocated: { ...Object.fromEntries(ofStreams), batchMs: event.time } }
    }
    case "BatchCleanup":
      return { cleaned: event.times }
    default:
      return undefined
  }
}

/** Additions that follow each other are told together. */
const together = (events: ReadonlyArray<Json>): ReadonlyArray<Json> => {
  const all: Array<Json> = []
  for (const event of events) {
    if (event.added !== undefined && all.at(-1)?.added !== undefined) all.at(-1).added.push(...event.added)
    else all.push(event)
  }
  return all
}

const recordsOf = (storage: MemoryStorage, epoch: number) =>
  Effect.map(readLog(storage, names.logPrefix(epoch)), ({ records }) => records)

const toldOf = (records: Effect.Success<ReturnType<typeof recordsOf>>, nameOf: NameOf): ReadonlyArray<Json> =>
  together(
    records.map(({ bytes }) => asTold(Result.getOrThrow(decodedEvent(bytes, messagePack)), nameOf))
      .filter((event) => event !== undefined)
  )

/** In the order of drivers, and of each in the order in which they were written. */
export const eventsOfLogs = Effect.fnUntraced(function* (storage: MemoryStorage, nameOf: NameOf) {
  const epochs = new Set((yield* logFiles(storage)).map((file) => names.epochOf(file)!))
  return toldOf((yield* Effect.forEach(epochs, (epoch) => recordsOf(storage, epoch))).flat(), nameOf)
})

export const eventsOfFile = Effect.fnUntraced(function* (storage: MemoryStorage, file: string, nameOf: NameOf) {
  const records = yield* recordsOf(storage, names.epochOf(file)!)
  return toldOf(records.filter(({ position }) => position.file === file), nameOf)
})
