/**
 * ReceiverSupervisor: runs one attempt of one receiver on its executor, and is the only one who speaks of it to the driver.
 *
 * | when | does |
 * | --- | --- |
 * | started | RegisterReceiver; refused: ends, without starting the receiver |
 * | `store.restart` | closes the run (scope, then onStop), DeregisterReceiver, waits, RegisterReceiver, runs anew |
 * | onStart fails or dies | closes the run, ends: the driver starts a new attempt, after a pause |
 * | `store.stop`, or StopReceiver | closes the run, ends for good |
 * | ends | takes no more, flushes the partial block, awaits every AddBlock, DeregisterReceiver, ReceiverEnded |
 * | its scope closes | closes the run and is gone: the executor is being shut down |
 *
 * onStart returning is no end: what it left in its scope goes on. A store of an earlier run is dead: what its callbacks still
 * push is dropped and counted, the first is reported. No failure of a receiver
 * leaves this module but as a message. Every question is asked again while unanswered. Error reports are limited to
 * `errorReportsPerSecond`; how many were left out is said with the next. How many records of the attempt were lost is said with
 * every report, and at the end whatever the limit. Source: Spark Streaming's `ReceiverSupervisorImpl`.
 */
import { Cause, Clock, Effect, Fiber, Latch, type Scope } from "effect"
import { uptimeMillis } from "../../core/time/Uptime.ts"
import { type BlockContents, ofBytes, ofRecords } from "../../core/blocks/BlockContents.ts"
import { effectOf } from "../../core/dstream/UserEffect.ts"
import { describeError } from "../../core/protocol/describeError.ts"
import type { ReceiverMessage } from "../../core/protocol/ExecutorProtocol.ts"
import type { StreamId } from "../../core/protocol/Ids.ts"
import { wrongRange } from "../../core/blocks/HighWaterMarks.ts"
import { type Receiver, type Store, StoreError, type StoreOptions } from "../../core/receiving/Receiver.ts"
import type { StorageLevel } from "../../core/receiving/StorageLevel.ts"
import type { ReceivingSettings } from "../../core/receiving/ReceivingSettings.ts"
import * as BlockGenerator from "./BlockGenerator.ts"
import * as BlockReporter from "./BlockReporter.ts"
import type { ReceivedBlockHandler } from "./blocks/ReceivedBlockHandler.ts"
import { SourceOrder } from "./SourceOrder.ts"

export const errorReportsPerSecond = 10

export interface SupervisorHandle {
  readonly stream: StreamId
  readonly attempt: number
  readonly updateRate: (rate: number) => void
  readonly rateLimit: () => number | undefined
  /** Stops for good; a second time is no change. */
  readonly stop: (message: string) => void
  /** Returns when all is flushed and the driver knows of the end. */
  readonly awaitTermination: Effect.Effect<void>
}

export interface Options<A, E, R> {
  readonly stream: StreamId
  readonly attempt: number
  readonly epoch: number
  readonly receiver: Receiver<A, E, R>
  readonly handler: ReceivedBlockHandler
  /** The storage level in force; the receiver's own, if not given. */
  readonly level?: StorageLevel | undefined
  /** Asks the driver; may stay without an answer. */
  readonly ask: BlockReporter.Ask
  readonly tell: (message: ReceiverMessage) => void
  readonly settings: ReceivingSettings
  /** The limit that the driver sent with StartReceiver. */
  readonly rateLimit: number | undefined
}

/** How a run of onStart ended. */
type RunEnd =
  | { readonly kind: "Restart"; readonly message: string; readonly error: string | undefined; readonly delay: number }
  | { readonly kind: "Stop"; readonly message: string; readonly error: string | undefined }
  | { readonly kind: "Failed"; readonly message: string; readonly error: string | undefined }

export const start = <A, E, R>(
  options: Options<A, E, R>
): Effect.Effect<SupervisorHandle, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const { stream, attempt, receiver, settings } = options
    const clock = yield* Clock.Clock
    const ask = BlockReporter.askUntilAnswered(options.ask, settings.askTimeoutMillis)
    const losses: Losses = { unstored: 0, late: 0, refused: () => generator.refusedRecords() }
    const tellError = (message: string, error: string | undefined) =>
      options.tell({ kind: "ReportError", stream, attempt, message, error })
    const reportError = errorReports(clock, (message, error) => tellError(message + lostSoFar(losses), error))
    const level = options.level ?? receiver.storageLevel
    const lost = (records: number) => void (losses.unstored += records)
    const reporter = yield* BlockReporter.make({ ...options, level, ask, reportError, lost })
    const generator: BlockGenerator.BlockGenerator = yield* BlockGenerator.make({ ...options, push: reporter.push })
    const ordered = makeOrder()
    const sources = new SourceOrder()
    const runs = runReceiver({ ...options, ask, generator, reporter, reportError, ordered, losses, sources })
    const flushed = Effect.tap(runs, () => Effect.andThen(generator.stop, reporter.awaitAll))
    const ended = Effect.raceFirst(flushed, generator.run).pipe(Effect.catchCause(failed))
    const life = Effect.gen(function* () {
      const end = yield* ended
      if (lostRecords(losses) > 0) tellError(lostInAll(receiver.name, losses), undefined)
      yield* ask({ kind: "DeregisterReceiver", stream, attempt, message: end.message, error: end.error })
      yield* ask({ kind: "ReceiverEnded", stream, attempt, stopped: end.kind === "Stop" })
    })
    const fiber = yield* Effect.forkScoped(life)
    return {
      stream,
      attempt,
      updateRate: generator.updateRate,
      rateLimit: generator.rateLimit,
      stop: (message) => ordered.give({ kind: "Stop", message, error: undefined }),
      awaitTermination: Effect.asVoid(Fiber.await(fiber))
    }
  })

/** Records of this attempt that will be in no batch. */
interface Losses {
  /** Of blocks that could not be stored. */
  unstored: number
  /** Stored after their run had ended. */
  late: number
  /** Beyond the hard limits. */
  readonly refused: () => number
}

const lostRecords = ({ late, refused, unstored }: Losses): number => unstored + late + refused()

const lostSoFar = (losses: Losses): string => {
  const lost = lostRecords(losses)
  return lost === 0 ? "" : ` (${lost} records lost so far)`
}

const lostInAll = (name: string, losses: Losses): string => {
  const { late, unstored } = losses
  return `Receiver ${name} has ended; ${
    lostRecords(losses)
  } of its records are lost: ${unstored} could not be stored, ` +
    `${losses.refused()} were refused beyond the hard limits, ${late} came after their run had ended`
}

/** An order to end the run; the first stays, but a stop goes before a restart. */
interface Order {
  readonly give: (end: RunEnd) => void
  readonly await: Effect.Effect<RunEnd>
  readonly isStop: () => boolean
  /** Forgets a restart, not a stop. */
  readonly clear: () => void
}

const makeOrder = (): Order => {
  const latch = Latch.makeUnsafe(false)
  let order: RunEnd | undefined
  return {
    give: (end) => {
      if (order === undefined || (order.kind === "Restart" && end.kind === "Stop")) order = end
      latch.openUnsafe()
    },
    await: Effect.map(latch.await, () => order!),
    isStop: () => order?.kind === "Stop",
    clear: () => {
      if (order?.kind !== "Restart") return
      order = undefined
      latch.closeUnsafe()
    }
  }
}

interface Parts<A, E, R> extends Options<A, E, R> {
  readonly generator: BlockGenerator.BlockGenerator
  readonly reporter: BlockReporter.BlockReporter
  readonly reportError: (message: string, error?: string) => void
  readonly ordered: Order
  readonly losses: Losses
  readonly sources: SourceOrder
}

/** Registers and runs the receiver, again after each restart in place, until its end. */
const runReceiver = Effect.fnUntraced(function* <A, E, R>(parts: Parts<A, E, R>) {
  const { stream, attempt, receiver, ask, ordered, sources } = parts
  while (true) {
    const answer = yield* ask({ kind: "RegisterReceiver", stream, attempt, receiver: receiver.name })
    if (answer.kind === "Refused") return refusedEnd(ordered.isStop(), answer.reason)
    sources.begin(answer.marks ?? [])
    const end = ordered.isStop() ? yield* ordered.await : yield* runOnce(parts)
    if (end.kind !== "Restart") return end
    const message = `Restarting receiver with delay ${end.delay}ms: ${end.message}`
    yield* ask({ kind: "DeregisterReceiver", stream, attempt, message, error: end.error })
    ordered.clear()
    const stop = yield* Effect.raceFirst(Effect.as(Effect.sleep(end.delay), undefined), ordered.await)
    if (stop !== undefined) return stop
  }
})

const refusedEnd = (stopped: boolean, reason: string): RunEnd => ({
  kind: stopped ? "Stop" : "Failed",
  message: `The driver refused the registration of the ${reason}`,
  error: undefined
})

interface Run {
  alive: boolean
  /** onStop runs: what it stores does not wait for the rate, so that the end does not. */
  isClosing: boolean
  /** A record came after its end. */
  late: boolean
}

/** One run of onStart, to the closing of its scope and onStop. */
const runOnce = <A, E, R>(parts: Parts<A, E, R>) =>
  Effect.suspend(() => {
    const { receiver, ordered, reportError } = parts
    const run: Run = { alive: true, isClosing: false, late: false }
    const started = Effect.suspend(() => effectOf("onStart", () => receiver.onStart(storeOf(parts, run)))())
    const working = Effect.matchCauseEffect(started, { onFailure: failed, onSuccess: () => Effect.never })
    const closing = Effect.sync(() => void (run.isClosing = true))
    const onStop = Effect.andThen(closing, receiver.onStop).pipe(Effect.catchCause((cause) =>
      Effect.sync(() => reportError(`onStop of receiver ${receiver.name} failed`, describeError(Cause.squash(cause))))
    ))
    const close = Effect.sync(() =>
      void (run.alive = false)
    )
    return Effect.scoped(Effect.raceFirst(working, ordered.await)).pipe(
      Effect.catchCause(failed),
      Effect.ensuring(Effect.andThen(onStop, close))
    )
  })

const failed = (cause: Cause.Cause<unknown>): Effect.Effect<RunEnd> =>
  Effect.succeed({ kind: "Failed", message: "Receiver failed", error: describeError(Cause.squash(cause)) })

/** What the receiver is given; it works as long as its run lives. */
const storeOf = <A, E, R>(
  { stream, generator, reporter, reportError, ordered, settings, losses, sources }: Parts<A, E, R>,
  run: Run
): Store<A> => {
  const storeError = (message: string) => new StoreError({ stream, message: `stream ${stream}: ${message}` })
  const over = () => storeError("this run of the receiver has ended")
  // A callback that outlives its run is no reason to end the process: it is told to pause for ever.
  const late = (records: number) => {
    losses.late += records
    if (!run.late) reportError("this run of the receiver has ended: what it stores from now on is lost")
    run.late = true
    return false
  }
  const described = (error: unknown) => error === undefined ? undefined : describeError(error)
  const whileAlive = <T>(effect: () => Effect.Effect<T, StoreError>) =>
    Effect.suspend(() => run.alive ? effect() : Effect.fail(over()))
  const block = (records: number, contents: () => BlockContents, { range }: StoreOptions = {}) =>
    Effect.suspend(() => {
      const wrong = range && wrongRange(range)
      if (wrong !== undefined) return Effect.fail(storeError(wrong))
      const place = range && sources.place(range)
      let reported = false
      const report = whileAlive(() => {
        reported = true
        return reporter.report(contents(), place)
      })
      if (run.isClosing) generator.admitNow(records)
      const stored = Effect.flatten(run.isClosing ? report : generator.admit(records, () => run.alive, report))
      if (place === undefined) return stored
      return Effect.ensuring(stored, Effect.sync(() => reported ? undefined : place.end(false)))
    })
  const collect = (records: Iterator<A>) =>
    Effect.try({
      try: () => Array.from({ [Symbol.iterator]: () => records }),
      catch: (error) =>
        new StoreError({ stream, message: `an iterator given to store failed: ${describeError(error)}` })
    })
  return {
    single: (record) => {
      if (!run.alive) return late(1)
      return generator.single(record)
    },
    chunk: (bytes, records) => {
      const wrong = wrongBytes(bytes, records)
      if (wrong !== undefined) throw storeError(wrong)
      if (!run.alive) return late(records)
      return generator.chunk(bytes, records)
    },
    ready: generator.ready,
    array: (records, options) => whileAlive(() => block(records.length, () => ofRecords(records), options)),
    iterator: (records, options) =>
      whileAlive(() => Effect.flatMap(collect(records), (all) => block(all.length, () => ofRecords(all), options))),
    bytes: (bytes, records, options) =>
      whileAlive(() => {
        const wrong = wrongBytes(bytes, records ?? 0)
        if (wrong !== undefined) return Effect.fail(storeError(wrong))
        return block(records ?? 1, () => ofBytes(bytes, records), options)
      }),
    highWaterMark: (source) => sources.markOf(source),
    reportError: (message, error) => reportError(message, described(error)),
    restart: (message, error, delay = settings.receiverRestartDelayMillis) => {
      if (run.alive) ordered.give({ kind: "Restart", message, error: described(error), delay })
    },
    stop: (message, error) => {
      if (run.alive) ordered.give({ kind: "Stop", message, error: described(error) })
    }
  }
}

/** What is wrong with encoded records that a receiver gives. */
const wrongBytes = (bytes: Uint8Array, records: number): string | undefined => {
  if (!(bytes instanceof Uint8Array)) return "encoded records have to be a Uint8Array"
  return Number.isSafeInteger(records) && records >= 0
    ? undefined
    : `the number of encoded records has to be a whole number from 0 on, not ${String(records)}`
}

/** At most so many reports in any second that begins with one; the next says how many were left out. */
const errorReports = (clock: Clock.Clock, tell: (message: string, error: string | undefined) => void) => {
  let since = -Infinity
  let told = 0
  let leftOut = 0
  return (message: string, error?: string): void => {
    const now = uptimeMillis(clock)
    if (now - since >= 1000) {
      since = now
      told = 0
    }
    if (told >= errorReportsPerSecond) return void leftOut++
    told++
    tell(leftOut === 0 ? message : `${message} (${leftOut} reports before this one were left out)`, error)
    leftOut = 0
  }
}
