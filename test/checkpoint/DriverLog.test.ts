/**
 * The driver's log when it cannot be written: whoever appends is told, before and after, and nothing follows what is not there.
 */
import * as assert from "node:assert/strict"
import { Cause, Effect, Exit, Fiber, Latch, Scope } from "effect"
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import * as DriverState from "../../core/checkpoint/DriverState.ts"
import * as DriverLog from "../../runtime/driver/checkpoint/DriverLog.ts"
import { LogError } from "../../runtime/storage/logErrors.ts"
import type { WriteAheadLog } from "../../runtime/storage/WriteAheadLog.ts"
import { settled } from "../driver/local.ts"
import { it } from "../kit.ts"

/** A log of which the writes with these numbers fail; the first waits for `opened`. */
const walOf = (failing: ReadonlyArray<number>, opened: Latch.Latch) => {
  const writes: Array<number> = []
  const wal: WriteAheadLog = {
    append: (records) =>
      Effect.gen(function* () {
        const number = writes.push(records.length)
        yield* opened.await
        if (!failing.includes(number)) return []
        return yield* new LogError({ reason: "Full", log: "driver", message: "the disk is full" })
      }),
    offer: () => {},
    end: () => ({ segment: 1, offset: 0 }),
    dropBefore: () => Effect.void
  }
  return { wal, writes }
}

const ended = (time: number) => ({ kind: "OutputEnded" as const, time, output: "counts", result: "done" as const })

const logOf = (wal: WriteAheadLog, failures: Array<string>) =>
  DriverLog.make({
    wal,
    codec: messagePack,
    state: DriverState.make(["lines"]),
    assertLatest: Effect.void,
    fail: (cause) => void failures.push(String(Cause.squash(cause)))
  })

it("a write that fails fails what waits behind it and what comes later, of which nothing is written", () =>
  Effect.gen(function* () {
    const opened = Latch.makeUnsafe()
    const { wal, writes } = walOf([2], opened)
    const failures: Array<string> = []
    const log = yield* logOf(wal, failures)
    const append = (time: number) =>
      Effect.forkChild(Effect.exit(log.append([ended(time)])), { startImmediately: true })
    const first = yield* append(1)
    yield* settled
    const second = yield* append(2)
    const third = yield* append(3)
    opened.openUnsafe()
    assert.ok(Exit.isSuccess(yield* Fiber.join(first)))
    for (const fiber of [second, third, yield* append(4)]) {
      assert.match(String(yield* Fiber.join(fiber)), /disk is full/)
    }
    log.note(ended(5))
    yield* settled
    assert.deepEqual(writes, [1, 2])
    assert.equal(failures.length, 1)
    assert.deepEqual([...log.state.ended.keys()], [1])
  }))

it("whoever waits when the log closes is told, and so is who comes later", () =>
  Effect.gen(function* () {
    const opened = Latch.makeUnsafe()
    const { wal } = walOf([], opened)
    const scope = yield* Scope.make()
    const log = yield* Scope.provide(logOf(wal, []), scope)
    const waiting = yield* Effect.forkChild(Effect.exit(log.append([ended(1)])), { startImmediately: true })
    const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
    opened.openUnsafe()
    yield* Fiber.join(closing)
    assert.match(String(yield* Fiber.join(waiting)), /closed/)
    assert.match(String(yield* Effect.exit(log.append([ended(2)]))), /closed/)
  }))

it("what was noted behind a write under way is written when the log closes", () =>
  Effect.gen(function* () {
    const opened = Latch.makeUnsafe()
    const { wal, writes } = walOf([], opened)
    const scope = yield* Scope.make()
    const log = yield* Scope.provide(logOf(wal, []), scope)
    log.note(ended(1))
    yield* settled
    for (const time of [2, 3]) log.note(ended(time))
    const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
    opened.openUnsafe()
    yield* Fiber.join(closing)
    assert.deepEqual(writes, [1, 2])
  }))
