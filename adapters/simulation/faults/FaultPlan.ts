/**
 * FaultPlan: the whole vocabulary of what goes wrong in a simulated run, and how much of each.
 *
 * Moments are counted: each strikes once, at a moment of its own, as soon as its victim is there. Rates strike what comes by: a
 * message, a sleep, a task, an access to storage. All are of the class that must be survived, save those of `detected`.
 *
 * A fault is known by a name: a rate by its kind, a moment by kind and number, `driverCrash.1`. `without` names those that are left
 * out, which is how a failing seed is made smaller: each fault draws from a stream of chance of its own, so that one that is left
 * out does not move the others.
 */

import {
  type FateKind,
  fateKinds,
  noStorageFaults,
  type StorageFaultKind,
  storageFaultKinds,
  type StoragePlan
} from "../storage/StorageFaults.ts"

/** What a program has that faults can strike. All have a driver, executors, tasks and messages. */
export type Part = "receiver" | "state" | "recovery" | "files" | "sink" | "change" | "kafka" | "kafkaLoss"

interface Kind {
  /** Strikes only programs that have this. */
  readonly of?: Part
  /** Of a moment: how many a run has at most. Of a rate: the most likely. */
  readonly most: number
}

export const momentKinds = {
  /** An executor dies: nothing of it runs on, what it held is gone; another one takes its place. */
  executorCrash: { most: 4 },
  /** An executor stops for a while and then goes on: a long collection of garbage, a machine that sleeps. */
  executorPause: { most: 3 },
  /** An executor stops for so long that it is given up, and then goes on for a while: a zombie. */
  executorZombie: { most: 2 },
  /** The driver stops for a while, so that ticks are missed. */
  driverPause: { most: 2 },
  /** Nothing gets through between driver and an executor for a while, in one direction. */
  partition: { most: 2 },
  /** The wall clock of the driver or of an executor is set forward or back. */
  clockStep: { most: 2 },
  /** A receiver's own Effect fails. */
  receiverFailure: { of: "receiver", most: 4 },
  /** A receiver's source closes the connection. */
  sourceClosed: { of: "receiver", most: 4 },
  /** A source takes no connections for a while. */
  sourceUnavailable: { of: "receiver", most: 2 },
  /** An executor dies while a state steps there. */
  crashInStep: { of: "state", most: 2 },
  /** An executor dies when it has stepped a state, and its readers are still to come. */
  crashAfterStep: { of: "state", most: 2 },
  /** An executor dies while it writes a snapshot. */
  crashInSnapshot: { of: "state", most: 2 },
  /** The driver dies, and its executors with it or a while after; it is started again. */
  driverCrash: { of: "recovery", most: 3 },
  /** Who calls storage or a sink dies of it: before the call, in the middle of it, or when it is done and nobody knows. */
  crashAtCall: { of: "recovery", most: 2 },
  /** The driver is given up, and another one started, while it goes on. */
  twoDrivers: { of: "recovery", most: 2 },
  /** The driver is killed and started again before it has recovered. */
  crashInRecovery: { of: "recovery", most: 1 },
  /** The driver is killed, and another program is started in its place. */
  upgrade: { of: "change", most: 2 },
  /** No broker of Kafka answers for a while. */
  brokersAway: { of: "kafka", most: 2 },
  /** A partition has no leader for a while, and then another one. */
  leaderChange: { of: "kafka", most: 4 },
  /** A topic is compacted: its offsets have gaps then. */
  compaction: { of: "kafka", most: 6 },
  /** The first records of a partition are deleted, read or not. */
  retention: { of: "kafkaLoss", most: 2 },
  /** A leader that was behind takes over: the last records of a partition are lost, read or not. */
  truncation: { of: "kafkaLoss", most: 2 },
  /** A topic is deleted and created again. */
  topicReplaced: { of: "kafkaLoss", most: 1 }
} as const satisfies Record<string, Kind>

export const rateKinds = {
  /** A message takes much longer than others. */
  messageDelay: { most: 0.05 },
  /** A message arrives twice. */
  messageDuplicate: { most: 0.2 },
  /** A message is lost on its way, and sent again after a while. */
  messageLoss: { most: 0.03 },
  /** A message is overtaken by those after it, and these wait for it. */
  messageReorder: { most: 0.1 },
  /** A user's function holds its executor for long while a task runs. */
  slowTask: { most: 0.05 },
  /** A user's function fails at a record; it is tried again. */
  taskFailure: { most: 0.02 },
  /** A timer fires a millisecond early. */
  earlyTimer: { most: 0.2 },
  /** A node's clocks run too fast or too slow. */
  clockDrift: { most: 1 },
  /** A record that is not what the program expects. */
  malformedRecord: { of: "receiver", most: 0.1 },
  /** A record much larger than others. */
  oversizeRecord: { of: "receiver", most: 0.03 },
  /** The numbers that a source gives to its lines have gaps. */
  sourceGap: { of: "receiver", most: 0.2 },
  /** A file is not there yet when it is read, or cannot be read. */
  fileUnreadable: { of: "files", most: 0.05 },
  /** A directory does not show a file that is there, for a while. */
  fileListedLate: { of: "files", most: 0.3 },
  /** A user's function throws in the middle of a state's step; it is tried again. */
  stepFailure: { of: "state", most: 0.02 },
  /** A snapshot cannot be written. */
  snapshotFailure: { of: "state", most: 0.1 },
  /** A snapshot takes longer to write than a batch takes to come. */
  snapshotDelay: { of: "state", most: 0.2 },
  /** A snapshot comes back damaged. */
  snapshotDamage: { of: "state", most: 0.7 },
  /** A sink fails before it has committed. */
  sinkFailsBefore: { of: "sink", most: 0.05 },
  /** A sink fails after it has committed. */
  sinkFailsAfter: { of: "sink", most: 0.05 },
  /** A sink does not answer: somebody ends the driver that waits. */
  sinkHangs: { of: "sink", most: 0.01 },
  /** A broker answers late. */
  brokerSlow: { of: "kafka", most: 0.02 },
  /** A request to a broker fails, before it was done or after. */
  requestFails: { of: "kafka", most: 0.03 },
  /** A broker's answer does not come: the client gives up after a while, and does not know what was done. */
  answerLost: { of: "kafka", most: 0.005 },
  /** Who writes into a topic aborts the transaction. */
  transactionAborted: { of: "kafka", most: 0.6 },
  /** Who writes into a topic leaves the transaction open for long: nobody sees what comes after it. */
  transactionLong: { of: "kafka", most: 0.4 },
  /** The markers of a transaction that is decided are written late. */
  markersLate: { of: "kafka", most: 0.3 }
} as const satisfies Record<string, Kind>

export type MomentKind = keyof typeof momentKinds
export type RateKind = keyof typeof rateKinds
/** Of storage: `storage.full`; of what a crash leaves of writes that were not synced: `left.torn`. */
export type FaultKind = MomentKind | RateKind | `storage.${StorageFaultKind}` | `left.${FateKind}`

export const moments = Object.keys(momentKinds) as ReadonlyArray<MomentKind>
export const rates = Object.keys(rateKinds) as ReadonlyArray<RateKind>
export const ofStorage = (kind: StorageFaultKind): FaultKind => `storage.${kind}`
export const ofFate = (kind: FateKind): FaultKind => `left.${kind}`

export const faultKinds: ReadonlyArray<FaultKind> = [
  ...moments,
  ...rates,
  ...storageFaultKinds.map(ofStorage),
  ...fateKinds.map(ofFate)
]

const known: Readonly<Record<string, Kind>> = { ...momentKinds, ...rateKinds }

/** What a kind of fault strikes; undefined: every program has it. */
export const partOf = (kind: FaultKind): Part | undefined =>
  kind.startsWith("storage.") || kind.startsWith("left.") ? "recovery" : known[kind]!.of

export interface FaultPlan {
  readonly moments: Readonly<Record<MomentKind, number>>
  readonly rates: Readonly<Record<RateKind, number>>
  readonly storage: StoragePlan
  /** Names of faults that are left out all the same. */
  readonly without: ReadonlyArray<string>
  /** The longest extra delay of a message, pause, and slow task. */
  readonly delayMillisMax: number
  readonly pauseMillisMax: number
  readonly slowTaskMillisMax: number
}

const allOf = <K extends string>(names: ReadonlyArray<K>): Record<K, number> =>
  Object.fromEntries(names.map((kind) => [kind, 0])) as Record<K, number>

export const noFaults: FaultPlan = {
  moments: allOf(moments),
  rates: allOf(rates),
  storage: noStorageFaults,
  without: [],
  delayMillisMax: 0,
  pauseMillisMax: 0,
  slowTaskMillisMax: 0
}

export const momentName = (kind: MomentKind, index: number): string => `${kind}.${index}`

/** The names of all faults of a plan that are not left out. */
export const namesOf = (plan: FaultPlan): ReadonlyArray<string> =>
  [
    ...moments.flatMap((kind) => Array.from({ length: plan.moments[kind] }, (_, i) => momentName(kind, i))),
    ...rates.filter((kind) => plan.rates[kind] > 0),
    ...storageFaultKinds.filter((kind) => plan.storage.rates[kind] > 0).map(ofStorage)
  ].filter((name) => !plan.without.includes(name))

/** Of the faults of a plan those with these names; undefined: all. */
export const keeping = (plan: FaultPlan, only: ReadonlyArray<string> | undefined): FaultPlan => {
  if (only === undefined) return plan
  const rates = { ...plan.storage.rates }
  for (const kind of storageFaultKinds) if (!only.includes(ofStorage(kind))) rates[kind] = 0
  const without = namesOf(plan).filter((name) => !only.includes(name))
  return { ...plan, without, storage: { ...plan.storage, rates } }
}
