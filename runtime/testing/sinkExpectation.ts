/**
 * sinkExpectation: what may be seen at the target of a sink, by its guarantee, while batches are committed and after.
 *
 * | | idempotent, transactional | at-least-once |
 * | --- | --- | --- |
 * | at all times | each record once; a batch whole or not at all (of a sink that commits partitions: a part of it, while it is written); no batch before the ones before it; nothing that was only prepared | the same, but records as often as their batch was committed |
 * | of a batch that is known to be committed | it is there | it is there |
 * | at the end | the sequential reference: every record once | every record at least once |
 */
import type { Guarantee } from "../../core/output/Sink.ts"

/** A batch of the reference: its number, from 1, and the records. */
export interface ReferenceBatch {
  readonly batch: number
  readonly ids: ReadonlyArray<number>
}

export interface Seen {
  readonly guarantee: Guarantee
  readonly commits: "batch" | "partition"
  readonly reference: ReadonlyArray<ReferenceBatch>
  /** How often the commit of a batch was begun. */
  readonly begun: ReadonlyMap<number, number>
  /** Batches that are known to be committed. */
  readonly known: ReadonlySet<number>
  readonly ids: ReadonlyArray<number>
  /** All batches were committed. */
  readonly atEnd: boolean
}

/** What is wrong, a sentence for each. */
export const complaintsOf = (seen: Seen): ReadonlyArray<string> => {
  const counts = new Map<number, number>()
  for (const id of seen.ids) counts.set(id, (counts.get(id) ?? 0) + 1)
  const known = new Set(seen.reference.flatMap(({ ids }) => ids))
  const strange = [...counts.keys()].filter((id) => !known.has(id))
  const complaints = strange.length === 0
    ? []
    : [`${records(strange)} are there, which only a driver that was replaced has put in, or nobody`]
  let missingBefore: number | undefined
  for (const one of seen.reference) {
    complaints.push(...complaintsOfBatch(seen, one, counts, missingBefore))
    if (one.ids.some((id) => !counts.has(id))) missingBefore ??= one.batch
  }
  return complaints
}

const complaintsOfBatch = (
  { atEnd, begun, commits, guarantee, known }: Seen,
  { batch, ids }: ReferenceBatch,
  counts: ReadonlyMap<number, number>,
  missingBefore: number | undefined
): ReadonlyArray<string> => {
  const exact = guarantee !== "at-least-once"
  const there = ids.filter((id) => counts.has(id))
  const missing = ids.filter((id) => !counts.has(id))
  const often = begun.get(batch) ?? 0
  const tooOften = ids.filter((id) => (counts.get(id) ?? 0) > (exact ? 1 : Math.max(1, often)))
  const complaints: Array<string> = []
  if (tooOften.length > 0) {
    const times = Math.max(...tooOften.map((id) => counts.get(id)!))
    complaints.push(`${records(tooOften)} of batch ${batch} are there ${times} times`)
  }
  if (there.length > 0 && often === 0) {
    complaints.push(`${records(there)} of batch ${batch} are there before it was committed`)
  } else if (there.length > 0 && missingBefore !== undefined) {
    complaints.push(`batch ${batch} is there and batch ${missingBefore}, which is before it, is not`)
  }
  if (missing.length > 0 && (atEnd || known.has(batch))) {
    complaints.push(`${records(missing)} of batch ${batch} are missing, though it was committed`)
  } else if (missing.length > 0 && there.length > 0 && exact && commits === "batch") {
    complaints.push(`batch ${batch} is there in part: ${records(missing)} are missing`)
  }
  return complaints
}

const records = (ids: ReadonlyArray<number>): string => `records ${ids.join(", ")}`
