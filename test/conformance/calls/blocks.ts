/**
 * Functions of the area blocks: blocks that a receiver stores, and what a batch reads of them.
 */
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import type { Store } from "../../../core/receiving/Receiver.ts"
import * as Local from "../../driver/local.ts"
import { recorder, supervised } from "../../receiving/supervised.ts"
import { type Json, known, NotYet, UnknownWord } from "../Vector.ts"
import type { Call } from "./call.ts"

const withoutLog = (log: Json): void => {
  if (log === true || log === "with log") throw new NotYet("durability")
  if (log !== false && log !== "without log") throw new UnknownWord("log", log)
}

type Form = (store: Store<Uint8Array>, records: ReadonlyArray<Uint8Array>) => Effect.Effect<void, Error>

const forms: Readonly<Record<string, Form>> = {
  bytes: (store, records) => store.bytes(records[0]!),
  list: (store, records) => store.array(records),
  iterator: (store, records) => store.iterator(records.values())
}

interface Stored {
  readonly form: string
  readonly level: Json
  readonly records: number
  readonly bytesPerRecord?: number
  readonly memoryBytes?: number
}

/** The count that the driver is told of a block; undefined: unknown. */
const storedCount = Effect.fnUntraced(function* (stored: Stored) {
  const record = recorder({ storageLevel: stored.level })
  const memoryLimitBytes = stored.memoryBytes ?? 1_000_000
  const { infos } = yield* supervised({ receiver: record.receiver, memoryLimitBytes })
  const records = Array.from({ length: stored.records }, () => new Uint8Array(stored.bytesPerRecord ?? 1))
  yield* known("form of block", forms, stored.form)(record.store(), records)
  return infos().at(-1)!.records
}, Effect.scoped)

/** What the batch of a receiver that stored nothing reads. */
const batchWithoutBlocks = Effect.gen(function* () {
  const partitions: Array<number> = []
  const app = StreamingApp.make({
    name: "blocks",
    batchDuration: 1000,
    outputs: [
      Memory.timed<number>([]).pipe(
        DStream.foreachBatch((batch) => Effect.sync(() => partitions.push(batch.numPartitions)))
      )
    ]
  })
  yield* Local.start(app)
  yield* TestClock.adjust("1 second")
  yield* Local.settled
  return { kind: "blocks", empty: partitions[0] === 0 }
}).pipe(Effect.scoped)

export const blockCalls: Readonly<Record<string, Call>> = {
  storedRecordCount: ({ args: [{ form, level, records }], variant = "without log" }) => {
    withoutLog(variant)
    return storedCount({ form, level, records })
  },
  storeWithLittleMemory: ({ args: [handler, level], params: { memoryBytes, records, bytesPerRecord } }) => {
    withoutLog(handler)
    return storedCount({ form: "list", level, records, bytesPerRecord, memoryBytes })
  },
  datasetOfBlocks: ({ args: [logEnabled, blocks] }) => {
    withoutLog(logEnabled)
    if (blocks.length > 0) throw new UnknownWord("way to leave blocks out", blocks)
    return batchWithoutBlocks
  },
  readLogBacked: () => withoutLog(true)
}
