/**
 * Observation: what the invariants see of a run, as plain data in the order in which it happened.
 *
 * Each is something that some party of the system did or was told, taken from messages, from the tracker's log, from listener
 * events and from the simulation's own acts: never a guess about what a part thinks. `at` is the virtual time.
 */
import type { BlockId } from "../../../core/blocks/ReceivedBlock.ts"
import type { ExecutorId, PartitionIndex, RddId, StreamId } from "../../../core/protocol/Ids.ts"
import type { SnapshotFiles } from "../../../core/state/SnapshotTracker.ts"
import type { StateView } from "../../../core/state/StateStore.ts"
import type { Time } from "../../../core/time/Time.ts"

export type Observation =
  /** The driver orders a receiver to start. */
  | {
    readonly kind: "ReceiverOrdered"
    readonly stream: StreamId
    readonly attempt: number
    readonly executor: ExecutorId
  }
  /** The driver answers a RegisterReceiver. */
  | {
    readonly kind: "ReceiverAnswered"
    readonly stream: StreamId
    readonly attempt: number
    readonly executor: ExecutorId
    readonly accepted: boolean
  }
  /**
   * An executor reports a block, and who holds it. `others`: if its level asks for two holders, the executors besides it that
   * live and have been there for long.
   */
  | {
    readonly kind: "BlockReported"
    readonly block: BlockId
    readonly executor: ExecutorId
    readonly holders: ReadonlyArray<ExecutorId>
    readonly others: ReadonlyArray<ExecutorId>
    /** It is in its receiver's log besides. */
    readonly logged: boolean
  }
  /** The driver is told of another holder. */
  | { readonly kind: "BlockHeld"; readonly block: BlockId; readonly executor: ExecutorId }
  /** The driver has a task read a block as empty, or begins with a plan in which it is. */
  | { readonly kind: "BlockIgnored"; readonly block: BlockId; readonly batch: Time }
  /** An executor dies; nobody knows of it yet. */
  | { readonly kind: "ExecutorDied"; readonly executor: ExecutorId }
  /** The driver answers an AddBlock. */
  | {
    readonly kind: "BlockAnswered"
    readonly block: BlockId
    readonly stream: StreamId
    readonly attempt: number
    readonly executor: ExecutorId
    readonly accepted: boolean
    /** Its records are stored already: it will be in no batch. */
    readonly repeated: boolean
  }
  /**
   * A driver tells for the first time what a batch is made of: of which blocks, and a text of all of it. `unlogged`: the blocks that
   * are to be read, and are in no log.
   */
  | {
    readonly kind: "BatchAllocated"
    readonly time: Time
    readonly blocks: ReadonlyArray<BlockId>
    readonly unlogged: ReadonlyArray<BlockId>
    readonly records: RecordsOfInputs
    readonly contents: string
  }
  /** `records`: as it is shown to listeners. */
  | {
    readonly kind: "BatchSubmitted"
    readonly time: Time
    readonly outputs: ReadonlyArray<string>
    readonly records: RecordsOfInputs
  }
  | { readonly kind: "BatchCompleted"; readonly time: Time }
  | { readonly kind: "JobStarted"; readonly time: Time; readonly output: string }
  | { readonly kind: "JobEnded"; readonly time: Time; readonly output: string; readonly failed: boolean }
  /** The driver sends a task. */
  | {
    readonly kind: "TaskSent"
    readonly executor: ExecutorId
    readonly stage: RddId
    readonly partition: number
    readonly task: number
    readonly attempt: number
    readonly batch: Time
    /** The batches whose plans come with the task or came before it, as far as the executor was not told to forget them. */
    readonly plans: ReadonlyArray<Time>
  }
  /** The driver sends batch plans. */
  | { readonly kind: "PlansSent"; readonly executor: ExecutorId; readonly times: ReadonlyArray<Time> }
  /** The driver tells an executor to forget what batches before a time made. */
  | { readonly kind: "ForgetSent"; readonly before: Time; readonly blocks: ReadonlyArray<BlockId> }
  /** The driver is told that an executor is there. */
  | { readonly kind: "ExecutorJoined"; readonly executor: ExecutorId }
  /** The driver is told that an executor is gone. */
  | { readonly kind: "ExecutorLost"; readonly executor: ExecutorId }
  /** An executor still answers for something (a block, a map output) a while after it was told to forget it, or not. */
  | {
    readonly kind: "ExecutorProbed"
    readonly executor: ExecutorId
    readonly forgotten: string
    readonly held: boolean
  }
  /** A store has made a version of the one that it had; undefined: of the initial state. */
  | OfStore<"StateStepped"> & { readonly from: Time | undefined; readonly to: Time }
  | OfStore<"StateRestored"> & { readonly version: Time }
  /** A version was read; `shown`: a digest of its records in order. */
  | OfStore<"StateRead"> & { readonly version: Time; readonly view: StateView; readonly shown: string }
  /** A store was told that versions before a time are not asked for any more; `held`: those that it has, oldest first. */
  | OfStore<"StateForgot"> & { readonly before: Time; readonly held: ReadonlyArray<Time> }
  /** The driver has an executor let go of a partition of a state, which moves to another. */
  | {
    readonly kind: "StateReleased"
    readonly executor: ExecutorId
    readonly operator: StreamId
    readonly partition: PartitionIndex
  }
  | OfSnapshot<"SnapshotWritten">
  | OfSnapshot<"SnapshotRemoved">
  /** The driver knows of a snapshot of every partition of a version. */
  | {
    readonly kind: "SnapshotCompleted"
    readonly operator: StreamId
    readonly time: Time
    /** By partition. */
    readonly files: ReadonlyArray<SnapshotFiles>
  }
  /** A checkpoint is durable: the files that it refers to, and the first segment of its driver's log. */
  | {
    readonly kind: "CheckpointWritten"
    readonly epoch: number
    readonly sequence: number
    readonly file: string
    readonly files: ReadonlyArray<string>
    readonly log: string
  }
  /** Somebody removes a file from the checkpoint place. */
  | { readonly kind: "FileRemoved"; readonly file: string }
  /** A driver says which checkpoint it goes on from, and of how many blocks of each stream nothing is left. */
  | {
    readonly kind: "RecoveredFrom"
    readonly epoch: number
    readonly sequence: number
    readonly file: string
    readonly lost: ReadonlyArray<{ readonly stream: StreamId; readonly blocks: number }>
    /** Batches that it runs again, with the inputs that were recorded for them. */
    readonly pending: ReadonlyArray<Time>
  }
  /** A sink's target has taken a batch, or a partition of one; `before`: what it has of it already. */
  | {
    readonly kind: "Committed"
    readonly output: string
    readonly time: Time
    readonly partition: number | undefined
    readonly contents: string
    readonly before: string | undefined
  }
  /** The run has ended gracefully, when the driver's clock showed `now`: nothing more will come. */
  | { readonly kind: "Drained"; readonly now: Time }

/** What can be read of each input of a batch. */
export type RecordsOfInputs = ReadonlyArray<{ readonly stream: StreamId; readonly records: number }>

interface OfStore<K extends string> {
  readonly kind: K
  readonly executor: ExecutorId
  readonly operator: StreamId
  readonly partition: PartitionIndex
  /** Which of all stores that ever were. */
  readonly store: number
}

interface OfSnapshot<K extends string> {
  readonly kind: K
  readonly operator: StreamId
  readonly partition: PartitionIndex
  readonly time: Time
  readonly file: string
}

export interface Observed {
  readonly at: number
  /** Of which driver, from 1. */
  readonly life: number
  /** Another driver has taken its place. */
  readonly replaced?: boolean
  readonly observation: Observation
}

export type Of<K extends Observation["kind"]> = Extract<Observation, { readonly kind: K }>

/** Of which driver an executor or driver is, by the name of its node: `executor-3.2` is of the second. */
export const lifeOfName = (name: string): number => {
  const dot = name.lastIndexOf(".")
  return dot < 0 ? 1 : Number(name.slice(dot + 1))
}
