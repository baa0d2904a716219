/**
 * StateSchema: the version of what a program keeps by key, and the steps by which states of earlier versions become such.
 *
 * A program that changes what its states are counts `version` up, and adds to `migrations` the step from the version before:
 * `{ version: 3, migrations: { 1: (old) => ..., 2: (old) => ... } }`, where step n makes a state of version n + 1 of one of version n.
 * Steps for versions of which nothing is left may go. A step may return undefined: the key is forgotten. What was snapshot under an
 * earlier version is migrated while it is restored, state by state; a version that has no way here is refused (`StateRefused`).
 */
import { describeError } from "../../protocol/describeError.ts"
import { describeValue } from "../../protocol/describeValue.ts"
import { StateRefused } from "./StateRefused.ts"

/** From what a state was to what it is one version later. */
export type Migration = (old: any) => unknown

export interface StateSchema {
  readonly version: number
  /** By the version that they begin at. */
  readonly migrations: Readonly<Record<number, Migration>>
}

/** Of states whose program says nothing of versions. */
export const first: StateSchema = { version: 1, migrations: {} }

export const make = (version: number | undefined, migrations: StateSchema["migrations"] | undefined): StateSchema =>
  version === undefined && migrations === undefined ? first : { version: version ?? 1, migrations: migrations ?? {} }

const isVersion = (version: unknown): boolean => Number.isSafeInteger(version) && (version as number) >= 1

/** What is wrong with a schema as it was written; undefined has none. */
export const schemaMistakes = (
  schema: unknown
): ReadonlyArray<{ readonly message: string; readonly remedy: string }> => {
  if (schema === undefined) return []
  const { migrations, version } = schema as StateSchema
  if (!isVersion(version)) {
    const remedy = "write a whole number from 1 on, and raise it by one when what the states are changes"
    return [{ message: `${describeValue(version)} is no version of its state`, remedy }]
  }
  return Object.entries(migrations ?? {}).flatMap(([from, step]) => {
    if (!isVersion(Number(from)) || Number(from) >= version) {
      const remedy =
        `write as migrations[n] what makes of a state of version n one of version n + 1, up to version ${version}`
      return [{ message: `a migration of its state from version ${from} leads nowhere`, remedy }]
    }
    const what = `the migration of its state from version ${from} is ${describeValue(step)}, not a function`
    return typeof step === "function" ? [] : [{ message: what, remedy: "give it a function of the old state" }]
  })
}

/**
 * What takes a state of version `from` to the schema's: undefined where it is the same. Throws `StateRefused` where there is no way.
 */
export const migrationFrom = (
  { migrations, version }: StateSchema,
  from: number,
  operator: string
): ((key: unknown, state: unknown) => unknown) | undefined => {
  if (from === version) return undefined
  if (from > version) throw newer(operator, from, version)
  const steps = Array.from({ length: version - from }, (_, i) => from + i)
  const missing = steps.filter((step) => typeof migrations[step] !== "function")
  if (missing.length > 0) throw noWay(operator, from, version, missing)
  return (key, state) => {
    let value = state
    for (const step of steps) {
      if (value === undefined) return undefined
      try {
        value = migrations[step]!(value)
      } catch (error) {
        throw failed(operator, step, key, error)
      }
    }
    return value
  }
}

const newer = (operator: string, from: number, version: number) =>
  new StateRefused({
    operator,
    reason: "NewerVersion",
    message: `The state of "${operator}" has version ${from}, and the program knows it up to version ${version}: ` +
      `start the program that wrote it, or a later one`
  })

const noWay = (operator: string, from: number, version: number, missing: ReadonlyArray<number>) =>
  new StateRefused({
    operator,
    reason: "MissingMigration",
    message:
      `The state of "${operator}" has version ${from}, the program's is ${version}, and there is no migration from ` +
      `version ${missing.join(", ")}: add migrations: { ${missing.map((step) => `${step}: (old) => ...`).join(", ")} }`
  })

const failed = (operator: string, step: number, key: unknown, error: unknown) =>
  new StateRefused({
    operator,
    reason: "FailedMigration",
    message: `The state of "${operator}" cannot be migrated from version ${step}: the migration threw for the key ` +
      `${describeValue(key)}: ${describeError(error)}; mend the migration`
  })
