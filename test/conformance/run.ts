/**
 * Runs vectors, each on a virtual clock of its own, and says of each how it went.
 */
import { Cause, Effect, Exit } from "effect"
import { TestClock } from "effect/testing"
import { isInWords, kinds } from "./kinds/mod.ts"
import { behaviours, deviations, waiting } from "./tables.ts"
import { known, Mismatch, type Vector, type VectorFile } from "./Vector.ts"

export type Verdict =
  | { readonly kind: "passed" }
  | { readonly kind: "failed"; readonly why: string }
  | { readonly kind: "deviating"; readonly why: string }
  /** Told in words: a named test meets it; undefined: none does. */
  | { readonly kind: "inWords"; readonly test: string | undefined }
  | { readonly kind: "notYet"; readonly capability: string }

export interface Result {
  readonly id: string
  readonly area: string
  readonly verdict: Verdict
}

/** Areas of capabilities that come later. */
const areasNotYet: Readonly<Record<string, string>> = {
  checkpoint: "durability",
  wal: "durability",
  kafka: "Kafka",
  ui: "web UI"
}

/** A vector that takes longer hangs. */
const vectorMillisMax = 20_000

const describe = (error: unknown): string => {
  if (error instanceof Mismatch) {
    return `${error.message}: expected ${JSON.stringify(error.expected)}, got ${JSON.stringify(error.actual)}`
  }
  return error instanceof Error ? error.message : String(error)
}

/** undefined: it holds; else why not. */
const failureOf = async (vector: Vector): Promise<string | undefined> => {
  const program = Effect.suspend(() => known("kind", kinds, vector.kind).run(vector))
  const running = Effect.runPromiseExit(program.pipe(Effect.scoped, Effect.provide(TestClock.layer())), {
    signal: AbortSignal.timeout(vectorMillisMax)
  })
  const exit = await running
  if (Exit.isSuccess(exit)) return undefined
  return Cause.hasInterruptsOnly(exit.cause) ? "it did not end" : describe(Cause.squash(exit.cause))
}

interface Tables {
  readonly tests: ReturnType<typeof behaviours>
  readonly differing: ReturnType<typeof deviations>
  readonly later: ReturnType<typeof waiting>
}

const verdictOf = async (area: string, vector: Vector, { tests, differing, later }: Tables): Promise<Verdict> => {
  const capability = areasNotYet[area] ?? later.get(vector.id)
  if (capability !== undefined) return { kind: "notYet", capability }
  const deviation = differing.get(vector.id)
  if (isInWords(vector)) {
    if (deviation !== undefined) return { kind: "deviating", why: deviation.reason }
    return { kind: "inWords", test: tests.get(vector.id)?.test }
  }
  const failure = await failureOf(vector)
  if (deviation === undefined) {
    return failure === undefined ? { kind: "passed" } : { kind: "failed", why: failure }
  }
  return failure === undefined
    ? { kind: "failed", why: "it passes, although deviations.md says that it differs" }
    : { kind: "deviating", why: deviation.reason }
}

export const runFiles = async (files: ReadonlyArray<VectorFile>): Promise<ReadonlyArray<Result>> => {
  const tables = { tests: behaviours(), differing: deviations(), later: waiting() }
  const results: Array<Result> = []
  for (const { area, vectors } of files) {
    for (const vector of vectors) {
      results.push({ id: vector.id, area, verdict: await verdictOf(area, vector, tables) })
    }
  }
  return results
}
