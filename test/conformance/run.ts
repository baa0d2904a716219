/**
 * Runs vectors, each on a virtual clock of its own, and says of each how it went.
 */
import { fileURLToPath } from "node:url"
import { Cause, Effect, Exit } from "effect"
import { TestClock } from "effect/testing"
import { isInWords, kinds } from "./kinds/mod.ts"
import { behaviours, deviations } from "./tables.ts"
import { known, Mismatch, NotYet, type Vector, type VectorFile } from "./Vector.ts"

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

/** Those that the project ships. */
export const shippedVectors = fileURLToPath(new URL("vectors/", import.meta.url))

/** Areas of capabilities that come later. */
export const areasNotYet: Readonly<Record<string, string>> = {
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
const failureOf = async (vector: Vector): Promise<unknown> => {
  const program = Effect.suspend(() => known("kind", kinds, vector.kind).run(vector))
  const exit = await Effect.runPromiseExit(program.pipe(Effect.scoped, Effect.provide(TestClock.layer())), {
    signal: AbortSignal.timeout(vectorMillisMax)
  })
  if (Exit.isSuccess(exit)) return undefined
  return Cause.hasInterruptsOnly(exit.cause) ? new Error("it did not end") : Cause.squash(exit.cause)
}

interface Tables {
  readonly tests: ReturnType<typeof behaviours>
  readonly differing: ReturnType<typeof deviations>
}

const verdictInWords = ({ id }: Vector, { differing, tests }: Tables): Verdict => {
  const deviation = differing.get(id)
  if (deviation !== undefined) return { kind: "deviating", why: deviation.reason }
  const [first] = tests.get(id) ?? []
  if (first?.file === "not yet") return { kind: "notYet", capability: first.test }
  return { kind: "inWords", test: first?.test }
}

const verdictOf = async (area: string, vector: Vector, tables: Tables): Promise<Verdict> => {
  const capability = areasNotYet[area]
  if (capability !== undefined) return { kind: "notYet", capability }
  if (isInWords(vector)) return verdictInWords(vector, tables)
  const failure = await failureOf(vector)
  if (failure instanceof NotYet) return { kind: "notYet", capability: failure.capability }
  const deviation = tables.differing.get(vector.id)
  if (deviation === undefined) {
    return failure === undefined ? { kind: "passed" } : { kind: "failed", why: describe(failure) }
  }
  return failure === undefined
    ? { kind: "failed", why: "it passes, although deviations.md says that it differs" }
    : { kind: "deviating", why: deviation.reason }
}

export const runFiles = async (files: ReadonlyArray<VectorFile>): Promise<ReadonlyArray<Result>> => {
  const tables = { tests: behaviours(), differing: deviations() }
  const results: Array<Result> = []
  for (const { area, vectors } of files) {
    for (const vector of vectors) {
      results.push({ id: vector.id, area, verdict: await verdictOf(area, vector, tables) })
    }
  }
  return results
}
