/**
 * `dstreams wal show`: what each driver wrote to its log, an event a line, and where a log is torn or damaged.
 */
import { Effect, Result } from "effect"
import type { DriverLogEvent } from "../../../core/checkpoint/DriverLogEvent.ts"
import { counted } from "../../../core/checkpoint/RecoveryReport.ts"
import * as names from "../../../core/checkpoint/names.ts"
import { decodedEvent, type Reading } from "../../../runtime/driver/checkpoint/recover.ts"
import { readLog } from "../../../runtime/storage/readLog.ts"
import type { Findings } from "./inspect.ts"
import { epochsOf } from "./readPlace.ts"

export const showLog = Effect.fnUntraced(function* (reading: Reading) {
  const epochs = yield* epochsOf(reading)
  const logs = yield* Effect.forEach(epochs, (epoch) => linesOf(reading, epoch))
  const findings: Findings = {
    lines: logs.flatMap(({ lines }) => lines),
    code: logs.some(({ damaged }) => damaged) ? 1 : 0
  }
  return findings
})

const linesOf = (reading: Reading, epoch: number) =>
  readLog(reading.storage, names.logPrefix(epoch)).pipe(
    Effect.map(({ records, segments, torn }) => ({
      lines: [
        `driver ${epoch}: ${counted(records.length, "event")} in ${counted(segments.length, "segment")}`,
        ...records.map(({ bytes, position: { file, offset } }) => {
          const event = decodedEvent(bytes, reading.codec)
          const what = Result.isSuccess(event) ? describe(event.success) : `NOT UNDERSTOOD: ${event.failure}`
          return `  ${file}:${offset}  ${what}`
        }),
        ...torn.map(({ file, offset, reason }) => `  ${file}:${offset}  torn: ${reason}`)
      ],
      damaged: false
    })),
    Effect.catchTag("LogDamaged", ({ message }) =>
      Effect.succeed({ lines: [`driver ${epoch}: DAMAGED: ${message}`], damaged: true }))
  )

const describe = (event: DriverLogEvent): string => {
  switch (event.kind) {
    case "Sealed":
      return `Sealed ${
        event.predecessors.map(({ epoch, segments }) =>
          `driver ${epoch} up to ${
            segments.map(({ length, segment }) => `${segment}:${length}`).join(", ") || "nothing"
          }`
        ).join("; ") || "nothing before it"
      }${event.from === undefined ? "" : `, from ${event.from}`}`
    case "BlockAddition":
      return `BlockAddition ${event.info.block}, ${event.info.records ?? "uncounted"} records`
    case "BatchAllocation": {
      const blocks = event.blocks.reduce((sum, [, infos]) => sum + infos.length, 0)
      const inputs = event.asked?.inputs.map(({ records, stream }) => `${stream}: ${records} records`).join(", ")
      return `BatchAllocation ${event.time} ms, ${blocks} blocks${inputs ? `, ${inputs}` : ""}`
    }
    case "BatchCleanup":
      return `BatchCleanup ${event.times.join(", ")} ms`
    case "BlocksLost":
      return `BlocksLost ${event.blocks.join(", ")}`
    case "OutputEnded":
      return `OutputEnded ${event.output} of ${event.time} ms, ${event.result}`
    case "BatchesDone":
      return `BatchesDone up to ${event.upTo} ms`
    case "PlansDropped":
      return `PlansDropped before ${event.before} ms`
    case "SnapshotCompleted":
      return `SnapshotCompleted ${event.snapshot.operator} of ${event.snapshot.time} ms, ` +
        `${event.snapshot.files.flat().length} files`
    case "SnapshotsDropped":
      return `SnapshotsDropped ${event.operator} before ${event.before} ms`
  }
}
