/**
 * Functions of the area wal: which files are a log's, and which log is used how.
 */
import { Effect } from "effect"
import { segmentName, segmentsInOrder } from "../../../core/wal/LogPosition.ts"
import { memoryStorage } from "../../../runtime/storage/memoryStorage.ts"
import * as WriteAheadLog from "../../../runtime/storage/WriteAheadLog.ts"
import { type Call, of } from "./call.ts"

/** A file of Spark's by the number of its start, which its order goes by; others by their own names. */
const inOurNames = (name: string): string => {
  const start = /^log-(\d+)-\d+$/.exec(name)?.[1]
  return start === undefined ? `log/${name}` : segmentName("log", Number(start))
}

const logFilesInOrder = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const byOurs = new Map(names.map((name) => [inOurNames(name), name]))
  return segmentsInOrder("log", [...byOurs.keys()]).map((segment) => byOurs.get(segmentName("log", segment))!)
}

/** Observed of a log with default settings, which drivers and receivers have alike. */
const logDefaults = Effect.gen(function* () {
  const storage = memoryStorage()
  const log = yield* WriteAheadLog.make({ storage, prefix: "log" })
  const count = 10
  yield* Effect.all(Array.from({ length: count }, () => log.append([new Uint8Array(1)])), { concurrency: count })
  const writes = storage.journal.filter(({ call }) => call === "append" || call === "create").length
  const batching = writes < count
  const closeAfterWrite = (yield* storage.list("log/")).length === writes
  return {
    driverBatching: batching,
    receiverBatching: batching,
    driverCloseAfterWrite: closeAfterWrite,
    receiverCloseAfterWrite: closeAfterWrite
  }
}).pipe(Effect.scoped)

export const logCalls: Readonly<Record<string, Call>> = {
  logFilesInOrder: of(logFilesInOrder),
  logDefaults: () => logDefaults,
  logsFor: () => {
    throw new Error(
      "there is one log, and no setting names the class of another: what is chosen is the storage below it"
    )
  }
}
