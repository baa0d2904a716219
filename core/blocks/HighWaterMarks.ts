/**
 * HighWaterMarks: how far the records of each numbered source are stored, by stream and source. Part of the ReceivedBlockTracker's
 * state, and changed with it alone.
 *
 * A block says which records of which sources it holds (`ranges`). What is stored of a source is all up to its mark: a receiver that
 * begins again asks for the mark and goes on behind it, so that each record is received once.
 *
 * | ranges of a block | it is |
 * | --- | --- |
 * | none | not looked at |
 * | all above the marks | new; the marks follow |
 * | all at or below the marks | a repetition |
 * | anything else | refused: which part of it is new cannot be told from the block |
 *
 * A source may leave numbers out. Its records have to be reported in order: what comes below the mark is taken for a repetition.
 * Where the last blocks of a source are lost before anything came of them, the mark goes back (`marksWithout`): it is asked again.
 */
import type { StreamId } from "../protocol/Ids.ts"
import type { ReceivedBlockInfo, SourceRange } from "./ReceivedBlock.ts"

/** Sources of one stream whose marks are kept: they are kept for ever. */
export const sourcesMax = 10_000
/** Characters of a source's name. */
export const sourceNameMax = 200

export type HighWaterMarks = Map<StreamId, Map<string, number>>

export const markOf = (marks: HighWaterMarks, stream: StreamId, source: string): number | undefined =>
  marks.get(stream)?.get(source)

export type Judgement =
  | { readonly kind: "New" }
  | { readonly kind: "Repeated" }
  | { readonly kind: "Refused"; readonly reason: string }

/** What a block with these ranges would be now. */
export const judge = (marks: HighWaterMarks, { block, ranges = [], stream }: ReceivedBlockInfo): Judgement => {
  if (ranges.length === 0) return { kind: "New" }
  const refused = (why: string): Judgement => ({ kind: "Refused", reason: `block ${block} was refused: ${why}` })
  const invalid = ranges.map(wrongRange).find((why) => why !== undefined)
  if (invalid !== undefined) return refused(invalid)
  const known = marks.get(stream)
  const added = new Set(ranges.map(({ source }) => source).filter((source) => known?.has(source) !== true))
  if ((known?.size ?? 0) + added.size > sourcesMax) {
    return refused(`stream ${stream} has had ${sourcesMax} sources, and the marks of no more are kept`)
  }
  const isRepeated = ({ source, to }: SourceRange) => to <= (known?.get(source) ?? -Infinity)
  if (ranges.every(isRepeated)) return { kind: "Repeated" }
  const overlap = ranges.find(({ from, source }) => from <= (known?.get(source) ?? -Infinity))
  if (overlap === undefined) return { kind: "New" }
  const { from, source, to } = overlap
  return refused(
    `it holds records ${from} to ${to} of source "${source}", of which those up to ${known!.get(source)} are stored: ` +
      `ask for the high-water mark, and begin behind it`
  )
}

/** What is wrong with a range, whoever gives it. */
export const wrongRange = ({ from, source, to }: SourceRange): string | undefined => {
  if (typeof source !== "string" || source === "" || source.length > sourceNameMax) {
    return `the source of a range has to be named by 1 to ${sourceNameMax} characters`
  }
  return Number.isSafeInteger(from) && Number.isSafeInteger(to) && from <= to
    ? undefined
    : `the range of source "${source}" has to be whole numbers, first and last, not ${String(from)} to ${String(to)}`
}

/**
 * The marks follow a block that counts. Answers whether one of its ranges was at or below its mark: then blocks of those records had
 * been logged before, and did not count (see `ReceivedBlockTracker`).
 */
export const advance = (marks: HighWaterMarks, { ranges = [], stream }: ReceivedBlockInfo): boolean => {
  if (ranges.length === 0) return false
  let known = marks.get(stream)
  if (known === undefined) marks.set(stream, known = new Map())
  let wasBelow = false
  for (const { from, source, to } of ranges) {
    if (from <= (known.get(source) ?? -Infinity)) wasBelow = true
    known.set(source, to)
  }
  return wasBelow
}

/** By stream and source. */
export type Marks = ReadonlyArray<readonly [StreamId, ReadonlyArray<readonly [source: string, mark: number]>]>

/**
 * Where the marks go back to when these blocks are lost and their sources may be asked again: before the first of them behind which
 * nothing of its source stays. What lies below a record that stays cannot be asked for.
 */
export const marksWithout = (
  marks: HighWaterMarks,
  lost: Iterable<ReceivedBlockInfo>,
  staying: Iterable<ReceivedBlockInfo>
): Marks => {
  const back: HighWaterMarks = new Map()
  const stays: HighWaterMarks = new Map()
  for (const info of staying) raise(stays, info)
  for (const { ranges = [], stream } of lost) {
    for (const { from, source } of ranges) {
      const mark = Math.min(markOf(back, stream, source) ?? markOf(marks, stream, source) ?? -Infinity, from - 1)
      if (Number.isSafeInteger(mark) && from > (markOf(stays, stream, source) ?? -Infinity)) {
        set(back, stream, source, mark)
      }
    }
  }
  return Array.from(back, ([stream, sources]) => [stream, [...sources]] as const)
}

/** Whether a block holds records above the marks. */
export const isAbove = (marks: HighWaterMarks, { ranges = [], stream }: ReceivedBlockInfo): boolean =>
  ranges.some(({ source, to }) => to > (markOf(marks, stream, source) ?? -Infinity))

/** The marks are these from now on. */
export const goBack = (marks: HighWaterMarks, to: Marks): void => {
  for (const [stream, sources] of to) for (const [source, mark] of sources) set(marks, stream, source, mark)
}

const raise = (marks: HighWaterMarks, { ranges = [], stream }: ReceivedBlockInfo): void => {
  for (const { source, to } of ranges) set(marks, stream, source, Math.max(markOf(marks, stream, source) ?? to, to))
}

const set = (marks: HighWaterMarks, stream: StreamId, source: string, mark: number): void => {
  let known = marks.get(stream)
  if (known === undefined) marks.set(stream, known = new Map())
  known.set(source, mark)
}

/** Whether two blocks of one stream hold records of one source, the first not before the second. */
export const reaches = ({ ranges = [] }: ReceivedBlockInfo, later: ReceivedBlockInfo): boolean =>
  ranges.some(({ source, to }) => later.ranges?.some((other) => other.source === source && other.from <= to) === true)
