/**
 * LogReading: which groups of a write-ahead log count, and what their order proves: a pure machine, fed with what the segments are
 * made of (`scanSegment`), in order.
 *
 * Each group names the one that was acknowledged before it (`follows`), and how far the log was durable when it was written
 * (`durable`). With `last`, the newest group that was read, a group says:
 *
 * | the group | so | outcome |
 * | --- | --- | --- |
 * | follows `last` | all is there | `last` counts, this one is held |
 * | follows the one before `last` | `last` was written, but never acknowledged | `last` does not count, this one is held |
 * | is `last` again, in a later segment | it was written again there | the later copy is held |
 * | follows one after `last`, of which none was known durable | what lies between is gone, as `sync: "onRoll"` allows | Lost |
 * | follows one after `last` that was durable | what was acknowledged is gone | Damaged |
 * | comes first, where reading begins in the middle | bytes before it that are no group may have been the one it follows | as above |
 * | anything else | no writer makes that | Damaged |
 *
 * A header whose group is not whole says the same. Bytes that are no group: with a later group of the same segment after them they
 * are damage (or lost with what was in them); at the end of a segment they are a torn tail, told as such, which the next group may
 * still prove to be damage. The last group is held, for only what follows tells whether it counts; with nothing after it, it does: it
 * may have been acknowledged.
 *
 * So what counts is what was acknowledged, in order, and perhaps one group more at the end. What this cannot see is the loss of the
 * very end of a log: whoever knows a place in it asks for that (`readLog`).
 */
import type { BadBytes, Piece, WholeGroup } from "./scanSegment.ts"
import { formatVersion, type GroupHeader } from "./Group.ts"

/** Where something is in the log. */
export interface Spot {
  readonly segment: number
  readonly offset: number
  readonly reason: string
}

export interface PlacedGroup {
  readonly segment: number
  readonly group: WholeGroup
}

export type Outcome =
  | { readonly kind: "Counts"; readonly segment: number; readonly group: WholeGroup }
  | { readonly kind: "Torn"; readonly segment: number; readonly offset: number; readonly reason: string }
  /** Groups that were acknowledged, and of which nobody promised that they were durable. */
  | {
    readonly kind: "Lost"
    readonly segment: number
    readonly offset: number
    readonly firstGroup: number
    readonly lastGroup: number
  }
  | { readonly kind: "Damaged"; readonly segment: number; readonly offset: number; readonly reason: string }

export interface LogReading {
  /** Number of the newest group that was read; undefined: reading began somewhere, any group may come first. */
  readonly last: number | undefined
  /** `last` itself, of which it is not known yet whether it counts. */
  readonly held: PlacedGroup | undefined
  /** What `held` follows. */
  readonly before: number | undefined
  /** Where bytes began that are no group, in the segment that is being read. */
  readonly bad: Spot | undefined
  /** The same at the end of earlier segments, until a group follows. */
  readonly torn: Spot | undefined
}

export type Step = readonly [LogReading, ReadonlyArray<Outcome>]

/** `fromBeginning`: the first group of the log is the first that is read. */
export const initial = (fromBeginning: boolean): LogReading => ({
  last: fromBeginning ? 0 : undefined,
  held: undefined,
  before: undefined,
  bad: undefined,
  torn: undefined
})

export const step = (state: LogReading, segment: number, piece: Piece): Step => {
  if (piece.kind === "Group") return withGroup(state, { segment, group: piece })
  const spot = spotOf(segment, piece)
  if (piece.version !== undefined) return [state, [{ kind: "Damaged", ...otherVersion(spot, piece.version) }]]
  const [next, outcomes] = piece.header === undefined ? [state, []] : withHeader(state, segment, piece.header)
  return [{ ...next, bad: next.bad ?? spot }, outcomes]
}

/** No more of the segment comes. */
export const segmentEnd = (state: LogReading): Step => {
  if (state.bad === undefined) return [state, []]
  return [{ ...state, bad: undefined, torn: state.torn ?? state.bad }, [{ kind: "Torn", ...state.bad }]]
}

/** No more segments come, and none was begun: the last group counts. */
export const end = (state: LogReading): ReadonlyArray<Outcome> => counts(state)

const spotOf = (segment: number, { at, reason }: BadBytes): Spot => ({ segment, offset: at, reason })

const otherVersion = (spot: Spot, version: number): Spot => ({
  ...spot,
  reason:
    `it is of version ${version} of the format, and this program reads version ${formatVersion}: take the one that wrote it`
})

const counts = ({ held }: LogReading): ReadonlyArray<Outcome> => held === undefined ? [] : [{ kind: "Counts", ...held }]

const damaged = (state: LogReading, spot: Spot): Step => [state, [{ kind: "Damaged", ...spot }]]

/** Written once more, in a later segment, for it was not known that it was there. */
const isHeldAgain = ({ before, held }: LogReading, segment: number, header: GroupHeader): boolean =>
  held !== undefined && held.segment < segment && held.group.header.group === header.group && header.follows === before

const withGroup = (state: LogReading, placed: PlacedGroup): Step => {
  const { header } = placed.group
  if (isHeldAgain(state, placed.segment, header) && state.bad === undefined) {
    return [{ ...state, held: placed, torn: undefined }, []]
  }
  const [next, outcomes] = withHeader(state, placed.segment, header)
  if (outcomes.some(({ kind }) => kind === "Damaged")) return [next, outcomes]
  // What was not durable may be gone from between, if it is there elsewhere: a group that was written again.
  if (next.bad !== undefined && header.durable === header.follows) {
    return damaged(next, { ...next.bad, reason: `${next.bad.reason}, although whole groups follow` })
  }
  return [
    { last: header.group, held: placed, before: header.follows, bad: undefined, torn: undefined },
    [...outcomes, ...counts(next)]
  ]
}

/** What a header proves of the groups before it. Afterwards `last` is what it follows. */
const withHeader = (state: LogReading, segment: number, header: GroupHeader): Step => {
  const { follows, group, offset } = header
  const { last } = state
  // Where reading began in the middle, at bytes that are no group: they may have been any that are not known from here.
  if (last === undefined && isAfterBad(state)) {
    return withGap(state, segment, header, Math.min(header.durable, follows - 1))
  }
  if (last === undefined || follows === last) return [{ ...state, last: follows }, []]
  if (isHeldAgain(state, segment, header)) return [state, []]
  if (group > last && state.held !== undefined && follows === state.before) {
    return [{ ...state, last: follows, held: undefined, before: undefined }, []]
  }
  if (group > last && follows > last) return withGap(state, segment, header, last)
  const reason = `group ${group}, which follows ${follows}, stands after group ${last}`
  return damaged(state, { segment, offset, reason })
}

const isAfterBad = ({ bad, torn }: LogReading): boolean => bad !== undefined || torn !== undefined

const withGap = (state: LogReading, segment: number, header: GroupHeader, last: number): Step => {
  const { durable, follows, offset } = header
  const spot = state.torn ?? state.bad
  if (durable <= last) {
    const lost = { kind: "Lost", segment, offset, firstGroup: last + 1, lastGroup: follows } as const
    return [{ ...state, last: follows, held: undefined, before: undefined, bad: undefined }, [...counts(state), lost]]
  }
  const missing = last + 1 === follows ? `group ${follows}` : `groups ${last + 1} to ${follows}`
  const reason = spot === undefined ? `${missing} should come before it` : `${spot.reason}, and ${missing} is gone`
  return damaged(state, { segment, offset, ...spot, reason })
}
