/**
 * Outage: what is done while no broker answers: it is told once, at once, and tried again less and less often; told again when it is over.
 *
 * Whoever cannot wait asks `pause`, and lets the time go by; whoever can has `patiently` try until it is done. No attempt follows another
 * without a pause, so a broker that is away costs next to nothing.
 */
import { Effect } from "effect"
import { uptime } from "../../../core/time/Uptime.ts"
import type { Millis } from "../../../core/time/Time.ts"
import type { KafkaError } from "../KafkaError.ts"

const firstPauseMillis = 100
const longestPauseMillis = 2000

/** Who is told. */
type Tell = (message: string) => Effect.Effect<void>

export class Outage {
  private readonly what: string
  private readonly tell: Tell
  private since: Millis | undefined
  private pauseMillis = firstPauseMillis
  private until: Millis = -Infinity

  /** `what` waits, in a sentence about the outage. */
  constructor(what: string, tell: Tell = Effect.logWarning) {
    this.what = what
    this.tell = tell
  }

  /** How long it is left alone yet. */
  readonly pause: Effect.Effect<Millis> = Effect.map(
    uptime,
    (now) => Math.min(longestPauseMillis, Math.max(0, this.until - now))
  )

  /** An attempt failed; gives for how long none has succeeded. */
  readonly failed = ({ message }: KafkaError): Effect.Effect<Millis> =>
    Effect.flatMap(uptime, (now) => {
      const isNews = this.since === undefined
      this.since ??= now
      this.until = now + this.pauseMillis
      this.pauseMillis = Math.min(longestPauseMillis, 2 * this.pauseMillis)
      const passed = now - this.since
      return isNews ? Effect.as(this.tell(`${message}; ${this.what}`), passed) : Effect.succeed(passed)
    })

  readonly over: Effect.Effect<void> = Effect.suspend(() => {
    if (this.since === undefined) return Effect.void
    const { since } = this
    this.since = undefined
    this.pauseMillis = firstPauseMillis
    this.until = -Infinity
    return Effect.flatMap(
      uptime,
      (now) => Effect.logInfo(`Kafka is there again, after ${Math.round(now - since)} ms`)
    )
  })

  /** Tries until it is done, fails for good, or nothing has been done for `maxMillis`. */
  readonly patiently = <A, R>(
    attempt: Effect.Effect<A, KafkaError, R>,
    maxMillis: Millis
  ): Effect.Effect<A, KafkaError, R> => {
    const again: Effect.Effect<A, KafkaError, R> = Effect.suspend(() =>
      Effect.catch(Effect.tap(attempt, () => this.over), (error) => {
        if (!error.isRetryable) return Effect.fail(error)
        return Effect.flatMap(
          this.failed(error),
          (passed) =>
            passed >= maxMillis ? Effect.fail(error) : Effect.andThen(Effect.flatMap(this.pause, Effect.sleep), again)
        )
      })
    )
    return again
  }
}
