/**
 * What is told of a run: a line per vector that failed or differs, what waits by capability and area, then the counts.
 */
import type { Result, Verdict } from "./run.ts"

const ofKind = <K extends Verdict["kind"]>(results: ReadonlyArray<Result>, kind: K) =>
  results.flatMap((result) =>
    result.verdict.kind === kind
      ? [{ ...result, verdict: result.verdict as Extract<Verdict, { readonly kind: K }> }]
      : []
  )

const lineMax = 2000

const cut = (line: string): string => line.length > lineMax ? `${line.slice(0, lineMax)}...` : line

const notYetLines = (results: ReadonlyArray<Result>): ReadonlyArray<string> => {
  const counts = new Map<string, number>()
  for (const { area, verdict: { capability } } of ofKind(results, "notYet")) {
    const name = `not yet (${capability}): ${area}`
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return [...counts].map(([name, count]) => `${name}, ${count} ${count === 1 ? "vector" : "vectors"}`)
}

/** The lines of a report; the last is `N passed, N failed`. */
export const reportOf = (results: ReadonlyArray<Result>): ReadonlyArray<string> => {
  const failed = ofKind(results, "failed")
  const deviating = ofKind(results, "deviating")
  const inWords = ofKind(results, "inWords")
  const untested = inWords.filter(({ verdict }) => verdict.test === undefined)
  const count = (kind: Verdict["kind"]) => ofKind(results, kind).length
  return [
    ...failed.map(({ id, verdict }) => cut(`failed ${id}: ${verdict.why}`)),
    ...deviating.map(({ id, verdict }) => `deviating ${id}: ${verdict.why}`),
    ...untested.map(({ id }) => `in words, without a test in behaviours.md: ${id}`),
    ...notYetLines(results),
    `${deviating.length} deviating, ${count("notYet")} not yet, ${
      inWords.length - untested.length
    } in words and met by ` +
    `named tests` + (untested.length === 0 ? "" : `, ${untested.length} in words without a test`),
    `${count("passed")} passed, ${failed.length} failed`
  ]
}

export const hasFailures = (results: ReadonlyArray<Result>): boolean => ofKind(results, "failed").length > 0
