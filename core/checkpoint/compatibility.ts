/**
 * compatibility: what becomes of each operator's state where the program that recovers is not the one that wrote the checkpoint.
 *
 * | the operator has a state | and is | outcome |
 * | --- | --- | --- |
 * | in both, of the same kind, shape and version | | restored |
 * | in both, of an older version, with a migration for each step | | migrated |
 * | in the new program alone | | new: it begins with the first batch after the recovery |
 * | in the checkpoint alone | | dropped: its state would be given up |
 * | in both | of another kind, shape, or a version that cannot be reached | refused |
 *
 * | an input of which something is kept: blocks that wait or are of a batch, ranges, files, places to go on from | is no more | dropped |
 * | an output without a name that commits, or of which a pending batch has an end | is there with another stream or kind | refused |
 *
 * Operators without a state are computed from the plans, however they changed. `dropped` and `refused` refuse the start, unless the
 * user accepts them (`onProgramChange`): then that state begins anew, and what an input had brought is given up.
 */
import { Equal } from "effect"
import type { StreamId } from "../protocol/Ids.ts"
import type { RunInfo } from "./Checkpoint.ts"

type Manifest = RunInfo["manifest"]
type Operator = Manifest["operators"][number]

export interface OperatorOutcome {
  readonly operator: StreamId
  readonly outcome: "restored" | "migrated" | "new" | "dropped" | "refused"
  /** Why it is refused or what is done. */
  readonly reason?: string | undefined
}

export interface Compatibility {
  /** Of the operators with a state, in the order of the new program, then those that are no more. */
  readonly operators: ReadonlyArray<OperatorOutcome>
  /** Something besides states that cannot be gone on with: a sentence. */
  readonly mistake: string | undefined
  /** Nothing in the graph has changed. */
  readonly same: boolean
}

/** Whether a state's values can be brought from one version to another, step by step. */
export type CanMigrate = (operator: StreamId, from: number, to: number) => boolean

/** What of the past is kept by the names of operators and outputs. */
export interface Kept {
  /** Whether the checkpoint has something of an operator's state. */
  readonly hasState: (operator: StreamId) => boolean
  /** Inputs of which something is kept. */
  readonly inputs: ReadonlyArray<StreamId>
  /** Outputs that are done with a batch which is not. */
  readonly outputs: ReadonlyArray<string>
}

const allStates: Kept = { hasState: () => true, inputs: [], outputs: [] }

export const compare = (
  before: Manifest,
  now: Manifest,
  canMigrate: CanMigrate,
  { hasState, inputs, outputs }: Kept = allStates
): Compatibility => {
  const old = new Map(before.operators.map((operator) => [operator.id, operator]))
  const current = new Set(now.operators.map(({ id }) => id))
  const operators = [
    ...now.operators.flatMap((operator) =>
      operator.state === undefined ? lostState(old.get(operator.id), hasState) : [
        outcomeOf(operator, old.get(operator.id), canMigrate)
      ]
    ),
    ...before.operators.flatMap((operator) => current.has(operator.id) ? [] : lostState(operator, hasState)),
    ...inputs.flatMap((input) => current.has(input) ? [] : [lostInput(input)]),
    ...before.outputs.flatMap((output) => movedOutput(output, now.outputs, outputs))
  ]
  return { operators, mistake: mistakeOf(before, now), same: Equal.equals(plain(before), plain(now)) }
}

/** As it is recorded; the order of fields is of no matter. */
const plain = (manifest: Manifest): unknown => JSON.parse(JSON.stringify(manifest))

/** The operator has no state now. */
const lostState = (
  before: Operator | undefined,
  hasState: (operator: StreamId) => boolean
): ReadonlyArray<OperatorOutcome> =>
  before?.state === undefined || !hasState(before.id) ? [] : [{
    operator: before.id,
    outcome: "dropped",
    reason:
      `the program has no state "${before.id}" any more; if it was renamed, give it its old name with DStream.named`
  }]

const lostInput = (input: StreamId): OperatorOutcome => ({
  operator: input,
  outcome: "dropped",
  reason:
    `the program has no input "${input}" any more, of which something is kept; if it was moved, name it with DStream.named`
})

/** The id of an output without a name says its place: another output may stand there now. */
const movedOutput = (
  { commits, id, kind, named, stream }: Manifest["outputs"][number],
  now: Manifest["outputs"],
  ended: ReadonlyArray<string>
): ReadonlyArray<OperatorOutcome> => {
  if (named === true || (commits !== true && !ended.includes(id))) return []
  const there = now.find((output) => output.id === id)
  if (there?.kind === kind && there.stream === stream) return []
  const what = there === undefined ? "is not there any more" : `was of ${stream}, and is of ${there.stream}`
  const reason = `the output "${id}" ${what}: its batches are known by that name, so give it one, { name: "${id}" }`
  return [{ operator: id, outcome: "refused", reason }]
}

const outcomeOf = (now: Operator, before: Operator | undefined, canMigrate: CanMigrate): OperatorOutcome => {
  const operator = now.id
  if (before?.state === undefined) return { operator, outcome: "new" }
  const refused = (reason: string): OperatorOutcome => ({ operator, outcome: "refused", reason })
  if (before.kind !== now.kind || before.state.kind !== now.state!.kind) {
    return refused(
      `it was made by ${before.kind} (${before.state.kind}), and is made by ${now.kind} (${now.state!.kind})`
    )
  }
  if (before.shape !== now.shape) {
    return refused(`it was kept as ${before.shape ?? "by default"}, and would be as ${now.shape ?? "by default"}`)
  }
  const { version: from } = before.state
  const { version: to } = now.state!
  if (from === to) return { operator, outcome: "restored" }
  if (from < to && canMigrate(operator, from, to)) {
    return { operator, outcome: "migrated", reason: `from version ${from} to ${to}` }
  }
  const remedy = from > to ? "run the newer program" : `give migrations for versions ${from} to ${to - 1}`
  return refused(`its state has version ${from}, and the program's has version ${to}: ${remedy}`)
}

const mistakeOf = (before: Manifest, now: Manifest): string | undefined => {
  if (before.app !== now.app) return `the checkpoint is of the app "${before.app}", and this is "${now.app}"`
  if (before.batchMillis === now.batchMillis) return undefined
  return `a batch was ${before.batchMillis} ms, and is ${now.batchMillis} ms now: batch times would not fit. ` +
    `Go on with ${before.batchMillis} ms, or give another checkpoint directory`
}

/** Why the program cannot go on; undefined: it can. */
export const refusal = (
  { mistake, operators }: Compatibility,
  accept: boolean
): string | undefined => {
  if (mistake !== undefined) return mistake
  const wrong = accept ? [] : operators.filter(({ outcome }) => outcome === "refused" || outcome === "dropped")
  if (wrong.length === 0) return undefined
  const lines = operators.map(({ operator, outcome, reason }) =>
    `  ${outcome} ${operator}${reason === undefined ? "" : `: ${reason}`}`
  )
  return `the program has changed, and not all that is kept can be gone on with:\n${lines.join("\n")}\n` +
    remedy
}

/** What is to be done where the program cannot go on with a state. */
export const remedy =
  `Mend what is said, or set onProgramChange to "accept": then what is refused begins anew and what is dropped is given up`

/** Operators whose history begins after the last batch of the checkpoint; ids of outputs among them are no matter. */
export const bornNow = ({ operators }: Compatibility): ReadonlyArray<StreamId> =>
  operators.flatMap(({ operator, outcome }) => outcome === "new" || outcome === "refused" ? [operator] : [])
