/**
 * Patience: how long a sink goes on with what may come right if it is tried again. One for each partition of a batch: pauses of 20
 * milliseconds, doubled up to a second, a part of them by chance, until its time is over. What lasts is told in the log, once.
 */
import { Clock, Effect, Random, Result } from "effect"
import { uptimeMillis } from "../../../core/time/Uptime.ts"
import { isPermanent, permanent } from "../../../core/protocol/permanent.ts"
import type { Millis } from "../../../core/time/Time.ts"
import { KafkaError } from "../KafkaError.ts"

const firstPauseMillis = 20
const pauseMillisMax = 1000
/** What is over sooner is usual: a transaction that is being completed, a leader that is being chosen. */
const toldAfterMillis = 500

export class Patience {
  private readonly clock: Clock.Clock
  private readonly began: Millis
  private readonly millis: Millis
  private readonly what: string
  private told = false

  private constructor(clock: Clock.Clock, what: string, millis: Millis) {
    this.clock = clock
    this.began = uptimeMillis(clock)
    this.millis = millis
    this.what = what
  }

  /** `what` is being done, for people: "put partition 1 of the batch of 1000 ms into the topic words". */
  static begin(what: string, millis: Millis): Effect.Effect<Patience> {
    return Effect.map(Clock.Clock, (clock) => new Patience(clock, what, millis))
  }

  /** Repeats it while it fails as `Unavailable`: only for what does no harm when it is done twice. */
  retry<A, R>(effect: Effect.Effect<A, KafkaError, R>): Effect.Effect<A, KafkaError, R> {
    return Effect.gen({ self: this }, function* () {
      for (let tries = 0;; tries++) {
        const result = yield* Effect.result(effect)
        if (Result.isSuccess(result)) return result.success
        if (!result.failure.isRetryable) return yield* result.failure
        yield* this.pause(result.failure, tries)
      }
    })
  }

  /** Waits before the next try; fails with the error where the time is over. */
  pause(error: KafkaError, tries: number): Effect.Effect<void, KafkaError> {
    return Effect.gen({ self: this }, function* () {
      const passed = this.passedMillis
      if (passed >= this.millis) return yield* lasting(error, this.millis)
      if (passed >= toldAfterMillis && !this.told) {
        this.told = true
        yield* Effect.logWarning(`cannot ${this.what} at the moment, and goes on trying: ${error.message}`)
      }
      const longest = Math.min(pauseMillisMax, firstPauseMillis * 2 ** Math.min(tries, 10))
      yield* Effect.sleep(Math.ceil(longest * (0.5 + (yield* Random.next) / 2)))
    })
  }

  private get passedMillis(): Millis {
    return uptimeMillis(this.clock) - this.began
  }
}

const lasting = (error: KafkaError, millis: Millis): KafkaError =>
  reworded(error, `${error.message}; it was tried for ${Math.round(millis / 1000)} s`)

/** The same error with another sentence. */
export const reworded = (error: KafkaError, message: string): KafkaError => {
  const { offset, partition, reason, topic } = error
  const other = new KafkaError({
    reason,
    ...(topic === undefined ? {} : { topic }),
    ...(partition === undefined ? {} : { partition }),
    ...(offset === undefined ? {} : { offset }),
    message
  })
  return isPermanent(error) ? Object.assign(other, { [permanent]: true }) : other
}
