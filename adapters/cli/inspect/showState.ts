/**
 * `dstreams state show`: the states by key of an operator's last complete snapshot, read without its program.
 */
import { Effect, Result } from "effect"
import { counted } from "../../../core/checkpoint/RecoveryReport.ts"
import { describeError } from "../../../core/protocol/describeError.ts"
import { readStates } from "../../../core/state/snapshots/readStates.ts"
import * as SnapshotFile from "../../../core/state/snapshots/SnapshotFile.ts"
import type { Reading } from "../../../runtime/driver/checkpoint/recover.ts"
import type { InspectCommand } from "../arguments.ts"
import type { Findings } from "./inspect.ts"
import { NothingThere, readPlace } from "./readPlace.ts"

type ShowState = Extract<InspectCommand, { readonly kind: "state show" }>

export const showState = Effect.fnUntraced(function* (reading: Reading, { key, operator }: ShowState) {
  const { left: { state: { snapshots } } } = yield* readPlace(reading)
  const snapshot = snapshots.get(operator)?.at(-1)
  if (snapshot === undefined) {
    const known = [...snapshots.keys()]
    const message = `there is no snapshot of a state "${operator}"; ${
      known.length === 0
        ? "there are none at all yet: the first is made after the operator's checkpoint interval"
        : `there are those of ${known.join(", ")}`
    }`
    return yield* new NothingThere({ message })
  }
  const partitions = yield* Effect.forEach(snapshot.files, (files) => readPartition(reading, files))
  const all = partitions.flatMap((states, partition) => states.map(([of, state]) => ({ partition, of, state })))
  const wanted = key === undefined ? all : all.filter(({ of }) => shown(of) === key || jsonOf(of) === key)
  if (key !== undefined && wanted.length === 0) {
    return yield* new NothingThere({
      message:
        `${operator} had no key ${key} as of ${snapshot.time} ms; without KEY all ${all.length} of them are shown`
    })
  }
  const findings: Findings = {
    lines: [
      `${operator} as of ${snapshot.time} ms: ${counted(all.length, "key")} in ${
        counted(partitions.length, "partition")
      }`,
      ...wanted.map(({ of, partition, state }) => `${partition}  ${shown(of)}  ${shown(state)}`)
    ],
    code: 0
  }
  return findings
})

/** Fails where a file is not there or is damaged. */
const readPartition = Effect.fnUntraced(function* (
  { checksum, codec, storage }: Reading,
  files: ReadonlyArray<string>
) {
  const contents = yield* Effect.forEach(files, (file) =>
    Effect.gen(function* () {
      const bytes = yield* storage.read(file)
      if (bytes === undefined) return yield* new NothingThere({ message: `the snapshot ${file} is not there` })
      const decoded = SnapshotFile.decode(file, bytes, checksum)
      return Result.isSuccess(decoded) ? [file, decoded.success] as const : yield* decoded.failure
    }))
  return yield* Effect.try({
    try: () => readStates(contents.map((each) => SnapshotFile.piecesOf([each], codec))).entries,
    catch: (error) => new NothingThere({ message: `${files.join(", ")} cannot be read: ${describeError(error)}` })
  })
})

const shown = (value: unknown): string => typeof value === "string" ? value : jsonOf(value)

/** What JSON has no words for is written as people would. */
const jsonOf = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === "bigint") return `${inner}n`
    if (inner instanceof Map) return { Map: [...inner] }
    if (inner instanceof Set) return { Set: [...inner] }
    if (inner instanceof Uint8Array) return { bytes: inner.length }
    return typeof inner === "number" && !Number.isFinite(inner) ? String(inner) : inner
  }) ?? String(value)
