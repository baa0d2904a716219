/**
 * CheckpointWriter: writes checkpoints aside from the batches, one at a time, and drops what none of those that are kept refers to.
 *
 * | call | while none is written | while one is written |
 * | --- | --- | --- |
 * | checkpoint(t) | takes the state of this moment and writes it | waits; a later one takes its place, and it ends with false |
 *
 * A checkpoint takes the state when it is written, not when it was asked for, so one that is written later is never of an earlier
 * moment. Writing takes at most a tenth of the time: after two that took long the next waits, unless a stop hurries it. (After one that
 * took long it does not: the process may have been paused meanwhile, which says nothing of the next.)
 * The owner files of all drivers stay: a driver that slept for long finds by them that there are later ones.
 * What may go is decided from a checkpoint that is durable, and only while there is no later driver: then it is not needed by any driver,
 * whenever it is removed. Source: Spark Streaming's `CheckpointWriter`.
 */
import { Cause, Clock, Deferred, Effect, Exit, Latch, Queue, Result, type Scope, Semaphore } from "effect"
import { uptimeMillis } from "../../../core/time/Uptime.ts"
import { loggedFiles, unneededFiles } from "../../../core/blocks/neededLogs.ts"
import * as Checkpoints from "../../../core/checkpoint/Checkpoint.ts"
import * as CheckpointFile from "../../../core/checkpoint/CheckpointFile.ts"
import type { DriverState } from "../../../core/checkpoint/DriverState.ts"
import * as names from "../../../core/checkpoint/names.ts"
import { describeError } from "../../../core/protocol/describeError.ts"
import type { StreamingEvent } from "../../../core/scheduling/StreamingListener.ts"
import type { Millis, Time } from "../../../core/time/Time.ts"
import type { LogPlace } from "../../../core/wal/LogPosition.ts"
import { nameOf, type NameTaken, type StorageError } from "../../storage/StableStorage.ts"
import * as Supervisor from "../../Supervisor.ts"
import type { DriverLog } from "./DriverLog.ts"
import * as Epoch from "./Epoch.ts"
import type { Reading } from "./recover.ts"

export interface CheckpointWriter {
  /** True: durable. False: a later one took its place, or it failed, which is told. */
  readonly checkpoint: (time: Time) => Effect.Effect<boolean>
  /** Drops what is not needed any more. */
  readonly clear: Effect.Effect<void>
  /** From now on none waits. */
  readonly hurry: () => void
}

export interface CheckpointWriterOptions extends Reading {
  readonly run: Checkpoints.RunInfo
  readonly log: DriverLog
  /** The least time between two. */
  readonly intervalMillis: Millis
  /** How many are kept. */
  readonly kept: number
  /** Checkpoints of earlier drivers, and all other files of theirs. */
  readonly earlier: ReadonlyArray<string>
  readonly recovered: { readonly name: names.CheckpointName; readonly checkpoint: Checkpoints.Checkpoint } | undefined
  readonly post: (event: StreamingEvent) => void
  readonly fail: Supervisor.Fail<Epoch.Superseded>
}

interface Kept {
  readonly name: string
  readonly epoch: number
  readonly log: LogPlace
  readonly files: ReadonlySet<string>
}

interface Written extends Kept {
  readonly time: Time
  readonly bytes: number
}

interface Asked {
  readonly time: Time
  readonly done: Deferred.Deferred<boolean>
}

/** Writing takes at most one part in so many of the time. */
const share = 10

export const make = Effect.fnUntraced(function* (
  options: CheckpointWriterOptions
): Effect.fn.Return<CheckpointWriter, StorageError | NameTaken, Scope.Scope> {
  const { codec, checksum, fail, intervalMillis, log, post, recovered, run, storage } = options
  const clock = yield* Clock.Clock
  const fork = yield* Supervisor.make(fail)
  const hurried = yield* Latch.make(false)
  const cleaning = yield* Semaphore.make(1)
  const signals = yield* Queue.unbounded<void>()
  const cleaner = makeCleaner(options, () => uptimeMillis(clock))
  let sequence = 1
  let doubtful: Written | undefined
  let waiting: Asked | undefined
  let closed = false
  let tookBefore: Millis = 0

  const written = (one: Written) => {
    const { bytes, name, time } = one
    doubtful = undefined
    sequence++
    cleaner.written(one)
    post({ kind: "CheckpointCompleted", time, name, bytes })
  }

  /** Numbers have no gaps, so that a recovery whose lists are late finds all: one that may have been taken is tried again. */
  const write: (time: Time) => Effect.Effect<void, StorageError | NameTaken> = Effect.fnUntraced(function* (time) {
    const position = log.position()
    const header = { run, sequence, time, written: clock.currentTimeMillisUnsafe(), log: position }
    const name = names.checkpoint(run.epoch, sequence)
    const bytes = CheckpointFile.encode(Checkpoints.capture(header, log.state), codec, checksum)
    const one = { name, epoch: run.epoch, log: position, files: filesOf(log.state), time, bytes: bytes.byteLength }
    const created = yield* Effect.result(storage.create(name, bytes))
    if (Result.isSuccess(created)) return written(one)
    const { failure } = created
    if (failure._tag === "NameTaken" && doubtful !== undefined) {
      written(doubtful)
      return yield* write(time)
    }
    doubtful = one
    return yield* Effect.fail(failure)
  })

  const serve = Effect.fnUntraced(function* () {
    const asked = waiting!
    waiting = undefined
    const began = uptimeMillis(clock)
    const exit = yield* Effect.exit(write(asked.time))
    Deferred.doneUnsafe(asked.done, Exit.succeed(Exit.isSuccess(exit)))
    if (Exit.isFailure(exit)) {
      if (Cause.hasInterruptsOnly(exit.cause)) return
      post({ kind: "CheckpointFailed", time: asked.time, reason: describeError(Cause.squash(exit.cause)) })
    }
    const took = uptimeMillis(clock) - began
    const pause = Math.max(intervalMillis - took, Math.min(took, tookBefore) * (share - 1))
    tookBefore = took
    if (pause > 0) yield* Effect.raceFirst(Effect.sleep(pause), hurried.await)
  })

  // The first one says what was recovered, before anything of this driver's own.
  yield* write(recovered?.checkpoint.time ?? run.zeroTime)
  fork(Effect.gen(function* () {
    while (true) {
      yield* Queue.take(signals)
      yield* serve()
    }
  }))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
      if (waiting !== undefined) Deferred.doneUnsafe(waiting.done, Exit.succeed(false))
    })
  )

  return {
    checkpoint: (time) =>
      Effect.suspend(() => {
        if (closed) return Effect.succeed(false)
        const asked: Asked = { time, done: Deferred.makeUnsafe<boolean>() }
        if (waiting === undefined) Queue.offerUnsafe(signals, undefined)
        else Deferred.doneUnsafe(waiting.done, Exit.succeed(false))
        waiting = asked
        return Deferred.await(asked.done)
      }),
    clear: Effect.andThen(Epoch.assertLatest(storage, run.epoch), cleaner.clear).pipe(
      Effect.catch((error) =>
        Effect.sync(() => {
          if (error._tag === "Superseded") return fail(Cause.fail(error))
          post({ kind: "CleaningFailed", reason: error.message })
        })
      ),
      // One that is under way does the work of the next.
      cleaning.withPermitsIfAvailable(1),
      Effect.asVoid
    ),
    hurry: () => void hurried.openUnsafe()
  }
})

/** All that a state refers to besides the log. */
const filesOf = ({ snapshots, tracker }: DriverState): ReadonlySet<string> =>
  new Set([
    ...[...snapshots.values()].flatMap((all) => all.flatMap(({ files }) => files.flat())),
    ...loggedFiles(tracker)
  ])

/** How often it is looked which logs of receivers there are. */
const lookMillis = 60_000

/** Knows the checkpoints that are kept, and which files are there that may go one day. */
const makeCleaner = (
  { earlier, kept: keptMax, log, recovered, run, storage }: CheckpointWriterOptions,
  now: () => Millis
) => {
  const files = new Set(earlier)
  let kept: ReadonlyArray<Kept> = []
  let looked = now()
  if (recovered !== undefined) {
    const { checkpoint, name: { epoch, name } } = recovered
    kept = [{ name, epoch, log: checkpoint.log, files: filesOf(Checkpoints.stateOf(checkpoint, [])) }]
  }

  const written = (one: Kept) => {
    kept = [...kept, one]
    for (const file of one.files) files.add(file)
  }

  /** Those of earlier drivers go when none of theirs is kept, with all that is not referred to. */
  const removable = (): ReadonlyArray<string> => {
    const needed = new Set(kept.flatMap((each) => [each.name, ...each.files]))
    for (const file of filesOf(log.state)) needed.add(file)
    const oldest = Math.min(...kept.map(({ epoch }) => epoch))
    return Array.from(files).filter((file) => !needed.has(file) && isDone(file, oldest))
  }

  /**
   * Of an epoch that nothing is gone on from: all of it. Otherwise what checkpoints referred to, but for the logs of this driver's
   * receivers: one of which nothing is needed at the moment may be the one that is being written.
   */
  const isDone = (file: string, oldest: number) => {
    const epoch = names.epochOf(file) ?? run.epoch
    if (file === names.owner(epoch)) return false
    return epoch < oldest || isSnapshot(file) || (epoch < run.epoch && isBlockLog(file))
  }

  /** What receivers write no more: their logs may come and go between two checkpoints, so it is looked now and then which there are. */
  const blockLogs = Effect.gen(function* () {
    if (now() - looked < lookMillis) return []
    looked = now()
    const all = yield* storage.list(`${names.epochFolder(run.epoch)}blocks/`)
    const needed = new Set(kept.flatMap((each) => [...each.files]))
    return unneededFiles(log.state.tracker, all, run.epoch, nameOf).filter((file) => !needed.has(file))
  })

  /** One goes only when a list shows a later one: a recovery whose lists are late finds the furthest from there on. */
  const dropSurplus = Effect.gen(function* () {
    const surplus = kept.length - keptMax
    if (surplus <= 0) return
    const shown = new Set(yield* storage.list(names.checkpointFolder(run.epoch)))
    const latest = kept.findLastIndex(({ name }) => shown.has(name))
    for (const { name } of kept.slice(0, Math.max(0, Math.min(surplus, latest)))) {
      yield* storage.remove(name)
      kept = kept.slice(1)
    }
  })

  const clear = Effect.gen(function* () {
    yield* dropSurplus
    for (const file of [...removable(), ...yield* blockLogs]) {
      yield* storage.remove(file)
      files.delete(file)
    }
    if (kept.every(({ epoch }) => epoch === run.epoch)) {
      yield* log.dropBefore(Math.min(...kept.map(({ log: { segment } }) => segment)))
    }
  })
  return { written, clear }
}

/** A driver's own log and owner file are not dropped this way. */
const isSnapshot = (file: string): boolean => /^epochs\/\d+\/state\//.test(file)

const isBlockLog = (file: string): boolean => /^epochs\/\d+\/blocks\//.test(file)
