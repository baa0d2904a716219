/**
 * CommitOrder: the machine that keeps the commits of one output in the order of batches, while their preparing may overlap.
 *
 * | phase of a batch | event | becomes | commands |
 * | --- | --- | --- | --- |
 * | - | Started | Preparing | Refuse, if an earlier batch holds it back |
 * | Preparing | Prepared | Waiting | what can go |
 * | Waiting | no earlier batch is open | Committing | Commit |
 * | Committing | Committed | gone | what can go |
 * | any but Skipping | Failed, policy `skip` | Skipping | RecordSkipped |
 * | Skipping | SkipRecorded | gone | what can go |
 * | any | Failed, policy `stop`; Abandoned | gone, and holds all later ones back for good | Refuse, per later batch that is Waiting |
 * | Preparing | Prepared, and an earlier batch holds it back | gone | Refuse |
 *
 * Abandoned: interrupted, or the skip could not be recorded. Owner: `runtime/driver/outputs/CommitTurns.ts`.
 *
 * Invariants: Commit is said once per batch, of ever later times, and only when every earlier batch that was started is committed
 * or its skip recorded; after Abandoned or a Failed under `stop` at t, never of a time after t. Every batch that is Prepared hears
 * Commit or Refuse once those before it have ended: nobody waits for ever. Batches start in order of time (breaking that throws:
 * it is a bug of the caller).
 */
import type { BatchFailurePolicy } from "../scheduling/Job.ts"
import type { Time } from "../time/Time.ts"

export type CommitOrderEvent =
  | { readonly kind: "Started"; readonly time: Time }
  | { readonly kind: "Prepared"; readonly time: Time }
  | { readonly kind: "Committed"; readonly time: Time }
  | { readonly kind: "Failed"; readonly time: Time }
  | { readonly kind: "SkipRecorded"; readonly time: Time }
  | { readonly kind: "Abandoned"; readonly time: Time }

export type CommitOrderCommand =
  | { readonly kind: "Commit"; readonly time: Time }
  | { readonly kind: "RecordSkipped"; readonly time: Time }
  /** `failed`: the batch that holds it back. */
  | { readonly kind: "Refuse"; readonly time: Time; readonly failed: Time }

export type Phase = "Preparing" | "Waiting" | "Committing" | "Skipping"

export interface CommitOrderState {
  /** By time. */
  readonly open: ReadonlyArray<{ readonly time: Time; readonly phase: Phase }>
  readonly lastStarted: Time | undefined
  /** The earliest batch that holds all later ones back. */
  readonly holding: Time | undefined
}

type Step = readonly [CommitOrderState, ReadonlyArray<CommitOrderCommand>]

export const initial: CommitOrderState = { open: [], lastStarted: undefined, holding: undefined }

export const step = (policy: BatchFailurePolicy) => (state: CommitOrderState, event: CommitOrderEvent): Step => {
  const { time } = event
  const phase = state.open.find((batch) => batch.time === time)?.phase
  switch (event.kind) {
    case "Started":
      return started(state, time)
    case "Prepared":
      expect(event, phase, ["Preparing"])
      return go(changed(state, time, "Waiting"))
    case "Committed":
      expect(event, phase, ["Committing"])
      return go(without(state, time))
    case "SkipRecorded":
      expect(event, phase, ["Skipping"])
      return go(without(state, time))
    case "Failed":
      expect(event, phase, ["Preparing", "Waiting", "Committing"])
      return policy === "skip"
        ? [changed(state, time, "Skipping"), [{ kind: "RecordSkipped", time }]]
        : go(held(without(state, time), time))
    case "Abandoned":
      // One that was refused is gone already.
      return phase === undefined ? [state, []] : go(held(without(state, time), time))
  }
}

const expect = (event: CommitOrderEvent, phase: Phase | undefined, expected: ReadonlyArray<Phase>): void => {
  if (phase !== undefined && expected.includes(phase)) return
  throw new Error(
    `the batch of ${event.time} ms was told to be ${event.kind} while it was ${phase ?? "not open"}, and not ${
      expected.join(" or ")
    }`
  )
}

const started = (state: CommitOrderState, time: Time): Step => {
  const { holding, lastStarted, open } = state
  if (lastStarted !== undefined && time <= lastStarted) {
    throw new Error(
      `the batch of ${time} ms was started after that of ${lastStarted} ms: batches start in order of time`
    )
  }
  return holding === undefined
    ? [{ ...state, lastStarted: time, open: [...open, { time, phase: "Preparing" }] }, []]
    : [{ ...state, lastStarted: time }, [{ kind: "Refuse", time, failed: holding }]]
}

const changed = (state: CommitOrderState, time: Time, phase: Phase): CommitOrderState => ({
  ...state,
  open: state.open.map((batch) => batch.time === time ? { time, phase } : batch)
})

const without = (state: CommitOrderState, time: Time): CommitOrderState => ({
  ...state,
  open: state.open.filter((batch) => batch.time !== time)
})

const held = (state: CommitOrderState, time: Time): CommitOrderState => ({
  ...state,
  holding: Math.min(state.holding ?? time, time)
})

/** Lets the first batch commit, if it waits, and refuses what waits behind one that has failed. */
const go = (state: CommitOrderState): Step => {
  const { holding = Infinity, open } = state
  const isRefused = ({ time, phase }: CommitOrderState["open"][number]) => phase === "Waiting" && time > holding
  const refused = open.filter(isRefused)
  const left = { ...state, open: open.filter((batch) => !isRefused(batch)) }
  const commands: ReadonlyArray<CommitOrderCommand> = refused.map(({ time }) => ({
    kind: "Refuse",
    time,
    failed: holding
  }))
  const first = left.open[0]
  return first?.phase === "Waiting"
    ? [changed(left, first.time, "Committing"), [...commands, { kind: "Commit", time: first.time }]]
    : [left, commands]
}
