/**
 * The driver's log when it cannot be written: nobody waits for it for ever.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import type { DriverLogEvent } from "../../core/checkpoint/DriverLogEvent.ts"
import * as DriverState from "../../core/checkpoint/DriverState.ts"
import * as DriverLog from "../../runtime/driver/checkpoint/DriverLog.ts"
import { LogError } from "../../runtime/storage/logErrors.ts"
import type { WriteAheadLog } from "../../runtime/storage/WriteAheadLog.ts"
import { it } from "../kit.ts"

/** Takes a while, and then fails. */
const brokenLog: WriteAheadLog = {
  append: () =>
    Effect.andThen(
      Effect.sleep("1 millis"),
      Effect.fail(new LogError({ reason: "Full", log: "log", message: "the disk is full" }))
    ),
  offer: () => {},
  end: () => ({ segment: 1, offset: 0 }),
  dropBefore: () => Effect.void
}

it.live("an append fails that waits when the log fails, or comes after that, and the context ends once", () =>
  Effect.gen(function* () {
    const failures: Array<unknown> = []
    const log = yield* DriverLog.make({
      wal: brokenLog,
      codec: messagePack,
      state: DriverState.make(),
      assertLatest: Effect.void,
      fail: (cause) => void failures.push(cause)
    })
    const event: DriverLogEvent = { kind: "OutputEnded", time: 1000, output: "print", result: "done" }
    const append = Effect.flip(log.append([event]))
    const together = yield* Effect.all([append, Effect.andThen(Effect.yieldNow, append)], { concurrency: 2 })
    const errors = [...together, yield* append]
    for (const { message } of errors) assert.match(message, /^the driver's log cannot be written: the disk is full$/)
    yield* Effect.sleep("1 millis")
    assert.equal(failures.length, 1)
  }))
