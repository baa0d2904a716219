/**
 * RateLimiter: a token bucket by supplied time. Who takes tokens is never kept from it: it may go into debt, and is told how
 * long it has to wait until the debt is paid. Who can wait beforehand reserves: it owns a ticket, and what is taken after it does
 * not make it wait the longer. One ticket at a time is waited for.
 *
 * - The limit is at first the smaller of initial and maximum rate; an update takes effect as the smaller of new and maximum
 *   rate; an update of zero or less changes nothing. A maximum of zero or less, or none, is no maximum.
 * - What was not taken is kept for at most `burstSeconds`.
 * - Invariant: over any span of t seconds at most `limit * (t + burstSeconds)` tokens and one last take are taken, if the taker
 *   waits when told to; so too of reserved ones, counted when their tickets are paid.
 *
 * Source: Spark Streaming's `RateLimiter`.
 */
import type { Millis, Time } from "../time/Time.ts"

export const burstSeconds = 1

/** Owned by one block generator: only `update` and `take` change it. */
export interface RateLimiter {
  readonly maxRate: number | undefined
  /** Records a second; undefined: no limit. */
  limit: number | undefined
  /** What may be taken now; below zero it is a debt. */
  tokens: number
  /** When `tokens` was right. */
  at: Time | undefined
  /** In all, so far. */
  taken: number
}

/** Tokens that are taken, and have to be paid before they are used. */
export interface Ticket {
  readonly count: number
  /** All that had been taken, with it. */
  readonly taken: number
}

const positive = (rate: number | undefined): number | undefined => rate !== undefined && rate > 0 ? rate : undefined

const smaller = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b)

export const make = (rates: {
  readonly maxRate?: number | undefined
  readonly initialRate?: number | undefined
}): RateLimiter => {
  const maxRate = positive(rates.maxRate)
  return { maxRate, limit: smaller(positive(rates.initialRate), maxRate), tokens: 0, at: undefined, taken: 0 }
}

/** Sets a new rate; a debt remains a debt of as many records. */
export const update = (limiter: RateLimiter, rate: number, now: Time): void => {
  if (!(rate > 0)) return
  refill(limiter, now)
  limiter.limit = smaller(rate, limiter.maxRate)
}

/** Takes tokens and gives the milliseconds to wait before the next take: 0 is go on. */
export const take = (limiter: RateLimiter, count: number, now: Time): Millis => {
  if (limiter.limit === undefined) return 0
  refill(limiter, now)
  limiter.tokens -= count
  limiter.taken += count
  return owed(limiter)
}

export const reserve = (limiter: RateLimiter, count: number, now: Time): Ticket => {
  take(limiter, count, now)
  return { count, taken: limiter.taken }
}

/** Milliseconds until the ticket is paid. */
export const ticketMillis = (limiter: RateLimiter, { taken }: Ticket, now: Time): Millis => {
  if (limiter.limit === undefined) return 0
  refill(limiter, now)
  return owed({ limit: limiter.limit, tokens: limiter.tokens + limiter.taken - taken })
}

/** Gives back a ticket that is not used; what it had been waited for is kept as far as the burst goes. */
export const giveBack = (limiter: RateLimiter, { count }: Ticket): void => {
  const { limit, tokens } = limiter
  if (limit !== undefined) limiter.tokens = Math.min(tokens + count, Math.max(tokens, limit * burstSeconds))
}

/** Milliseconds until the debt is paid. */
export const waitMillis = (limiter: RateLimiter, now: Time): Millis => {
  if (limiter.limit === undefined) return 0
  refill(limiter, now)
  return owed(limiter)
}

/** A debt of less than a nanosecond is what rounding left of one that is paid. */
const owed = ({ limit, tokens }: Pick<RateLimiter, "limit" | "tokens">): Millis =>
  limit === undefined || tokens > -1e-9 * limit ? 0 : Math.ceil((-tokens / limit) * 1000)

const refill = (limiter: RateLimiter, now: Time): void => {
  const { at, limit } = limiter
  if (at === undefined || limit === undefined) {
    limiter.at = now
    return
  }
  // A clock that was set back gives nothing, and takes nothing.
  const earned = (Math.max(0, now - at) / 1000) * limit
  limiter.tokens = Math.min(limiter.tokens + earned, Math.max(limiter.tokens, limit * burstSeconds))
  limiter.at = now
}
