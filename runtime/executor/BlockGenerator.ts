/**
 * BlockGenerator: performs the pure machine of the same name: ticks at multiples of the block interval, pushes blocks one after
 * the other, and puts a rate limiter in front, also in front of blocks that are stored as such: these wait until they are paid,
 * one after the other, however many records they have.
 *
 * The timer runs only while something is buffered, so that an idle receiver costs nothing; its ticks are the same multiples.
 * `run` is the loop of both, run by the supervisor; if it dies, the receiver ends with the cause. Adding is synchronous and may
 * be called from any callback of the node. Source: Spark Streaming's `BlockGenerator`.
 */
import { Clock, Duration, Effect, Latch, Semaphore } from "effect"
import type { StreamId } from "../../core/protocol/Ids.ts"
import * as Machine from "../../core/receiving/BlockGenerator.ts"
import * as RateLimiter from "../../core/receiving/RateLimiter.ts"
import { StoreError } from "../../core/receiving/Receiver.ts"
import type { ReceivingSettings } from "../../core/receiving/ReceivingSettings.ts"
import { nextMultiple } from "../../core/time/Time.ts"

export interface BlockGenerator {
  /** Both throw a `StoreError` if the records were not kept; else answer whether to go on. */
  readonly single: (record: unknown) => boolean
  readonly chunk: (bytes: Uint8Array, records: number) => boolean
  /** Waits until there is room and the rate allows more. */
  readonly ready: Effect.Effect<void>
  /**
   * Runs `store` when the rate allows so many records more; first come, first served. Who is interrupted takes nothing. Who is not
   * wanted any more does not wait.
   */
  readonly admit: <A, E>(
    records: number,
    isWanted: () => boolean,
    store: Effect.Effect<A, E>
  ) => Effect.Effect<A, E>
  /** Counts records that cannot wait: those that come later wait for them. */
  readonly admitNow: (records: number) => void
  readonly updateRate: (rate: number) => void
  readonly rateLimit: () => number | undefined
  readonly refusedRecords: () => number
  readonly run: Effect.Effect<never>
  /** Takes no more, cuts what is there, and waits until all is pushed. */
  readonly stop: Effect.Effect<void>
}

/** A rate that rises is noticed as soon by who waits. */
const rateLookMillis = 1000

export const make = Effect.fnUntraced(function* (options: {
  readonly stream: StreamId
  readonly settings: ReceivingSettings
  readonly rateLimit: number | undefined
  /** Makes the block safe; what it cannot store it has to report itself. */
  readonly push: (block: Machine.GeneratedBlock) => Effect.Effect<void>
}) {
  const { settings, stream, push } = options
  const clock = yield* Clock.Clock
  const machine = Machine.make(settings)
  const limiter = RateLimiter.make(settings)
  if (options.rateLimit !== undefined) RateLimiter.update(limiter, options.rateLimit, clock.currentTimeMillisUnsafe())
  const something = Latch.makeUnsafe(false)
  const waiting = Latch.makeUnsafe(false)
  const room = Latch.makeUnsafe(true)
  const drained = Latch.makeUnsafe(false)

  const answer = (answer: Machine.Answer, records: number): boolean => {
    if (answer === "refused") throw refusal(stream, machine)
    if (!something.isOpen()) something.openUnsafe()
    const wait = limiter.limit === undefined ? 0 : RateLimiter.take(limiter, records, clock.currentTimeMillisUnsafe())
    if (answer === "go") return wait === 0
    room.closeUnsafe()
    return false
  }

  const timer = Effect.gen(function* () {
    while (true) {
      yield* something.await
      const tick = nextMultiple(clock.currentTimeMillisUnsafe(), settings.blockIntervalMillis)
      while (clock.currentTimeMillisUnsafe() < tick) yield* clock.sleep(millisUntil(tick, clock))
      Machine.cut(machine, tick)
      if (!Machine.hasCurrent(machine)) something.closeUnsafe()
      waiting.openUnsafe()
    }
  })

  const pusher = Effect.gen(function* () {
    while (true) {
      yield* waiting.await
      const block = Machine.take(machine)
      if (block === undefined) {
        waiting.closeUnsafe()
        continue
      }
      yield* push(block)
      Machine.release(machine, block)
      if (!Machine.isFull(machine)) room.openUnsafe()
      if (machine.phase === "StoppedAdding" && Machine.isDrained(machine)) drained.openUnsafe()
    }
  })

  const ready = Effect.gen(function* () {
    while (true) {
      yield* room.await
      const wait = RateLimiter.waitMillis(limiter, clock.currentTimeMillisUnsafe())
      if (wait === 0 && room.isOpen()) return
      if (wait > 0) yield* clock.sleep(pauseOf(wait))
    }
  })
  const admission = makeAdmission(limiter, clock)

  const stop = Effect.suspend(() => {
    Machine.stopAdding(machine)
    Machine.cut(machine, nextMultiple(clock.currentTimeMillisUnsafe(), settings.blockIntervalMillis))
    if (Machine.isDrained(machine)) return Effect.void
    waiting.openUnsafe()
    return Effect.asVoid(drained.await)
  })

  const generator: BlockGenerator = {
    single: (record) => answer(Machine.addRecord(machine, record), 1),
    chunk: (bytes, records) => answer(Machine.addChunk(machine, bytes, records), records),
    ready,
    ...admission,
    updateRate: (rate) => RateLimiter.update(limiter, rate, clock.currentTimeMillisUnsafe()),
    rateLimit: () => limiter.limit,
    refusedRecords: () => machine.refused,
    run: Effect.flatMap(Effect.all([timer, pusher], { concurrency: 2, discard: true }), () => Effect.never),
    stop
  }
  return generator
})

/** Lets blocks that are stored as such wait for the rate. */
const makeAdmission = (
  limiter: RateLimiter.RateLimiter,
  clock: Clock.Clock
): Pick<BlockGenerator, "admit" | "admitNow"> => {
  const turn = Semaphore.makeUnsafe(1)
  const paid = (records: number, isWanted: () => boolean) =>
    Effect.suspend(() => {
      const ticket = RateLimiter.reserve(limiter, records, clock.currentTimeMillisUnsafe())
      const unused = () => RateLimiter.giveBack(limiter, ticket)
      const wait = Effect.gen(function* () {
        while (true) {
          if (!isWanted()) return unused()
          const millis = RateLimiter.ticketMillis(limiter, ticket, clock.currentTimeMillisUnsafe())
          if (millis === 0) return
          yield* clock.sleep(pauseOf(millis))
        }
      })
      return Effect.onInterrupt(wait, () => Effect.sync(unused))
    })
  return {
    admit: (records, isWanted, store) => {
      const inTurn = turn.withPermit(Effect.andThen(paid(records, isWanted), store))
      return Effect.suspend(() => limiter.limit === undefined ? store : inTurn)
    },
    admitNow: (records) => void RateLimiter.take(limiter, records, clock.currentTimeMillisUnsafe())
  }
}

const pauseOf = (wait: number) => Duration.millis(Math.min(wait, rateLookMillis))

const millisUntil = (time: number, clock: Clock.Clock) =>
  Duration.millis(Math.max(0, time - clock.currentTimeMillisUnsafe()))

const refusal = (stream: StreamId, machine: Machine.BlockGenerator): StoreError =>
  new StoreError({
    stream,
    message: machine.phase === "StoppedAdding"
      ? `stream ${stream}: the receiver is stopping and stores no more`
      : `stream ${stream}: ${machine.bufferedRecords} records (${machine.bufferedBytes} bytes) wait to be stored and ` +
        `no more are kept, ${machine.refused} were refused so far; await store.ready when store.single or store.chunk ` +
        `answers false, or raise the limits on buffered records`
  })
