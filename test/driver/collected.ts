/**
 * What tests keep of an output: its batches, by time.
 */
import type { Time } from "../../core/time/Time.ts"

/** What `collectTo` fills. */
export type Collected<A> = Array<{ readonly time: Time; readonly records: ReadonlyArray<A> }>

export const timesOf = (collected: Collected<unknown>): ReadonlyArray<Time> => collected.map(({ time }) => time)

/** All records, batch after batch. */
export const recordsOf = <A>(collected: Collected<A>): ReadonlyArray<A> => collected.flatMap(({ records }) => records)
