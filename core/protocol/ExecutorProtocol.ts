/**
 * The protocol between driver and executors, whatever carries it (in one process, threads, simulation, later a cluster).
 *
 * | message | from | to | answered by | effect |
 * | --- | --- | --- | --- | --- |
 * | ExecutorReady | executor | driver | - | the executor has built the graph and can take tasks |
 * | ExecutorRefused | executor | driver | - | its graph or code differs; says where |
 * | RunTasks | driver | executor | TaskEnded, per task | runs tasks of one stage |
 * | TaskEnded | executor | driver | - | a task's end: done, or why not |
 * | StartReceiver, StopReceiver, UpdateRate | driver | executor | - | orders to a receiver's supervisor |
 * | ReceiverMessage | executor | driver | ReceiverAnswer, where the message asks for one | see `ReceiverTracker` |
 * | Peers | driver | executor | - | all executors that are ready and stay: who may be given copies of blocks |
 * | BlocksHeld | executor | driver | Forget, of what nobody knows | these blocks have a holder that the driver may not know of |
 * | ReleaseState | driver | executor | - | this partition of a state moves to another executor |
 * | TakeSnapshots | driver | executor | SnapshotTaken, per partition | makes these versions of states safe, as far as they are held there and are the newest |
 * | Forget | driver | executor | - | plans, shuffles and blocks that no task will need again |
 * | StopExecutor | driver | executor | - | ends the executor |
 * | SnapshotTaken, SnapshotFailed | executor | driver | - | a version of a state is safe, or is not |
 * | FetchShuffle, FetchBlock, FetchState | executor | executor | Fetched | one reduce partition's part of map outputs; one block; what a version of a state shows |
 * | ReplicateBlock | executor | executor | Replicated | keeps a copy of a block, so that it survives its first holder |
 *
 * A link keeps the order of what it carries from one party to another, may deliver a message twice, and tells when the other
 * side is gone. Every handler is idempotent. Bulk data is always an `ArrayBuffer`, so that a link can transfer it.
 */
import type { Manifest } from "../dstream/DStreamGraph.ts"
import type { Settings } from "../settings/Settings.ts"
import type { BatchPlan, Payload } from "../dstream/BatchPlan.ts"
import type { BlockId, ReceivedBlockInfo } from "../blocks/ReceivedBlock.ts"
import type { StorageLevel } from "../receiving/StorageLevel.ts"
import type { ExecutorId, PartitionIndex, RddId, StreamId } from "./Ids.ts"
import type { RemovableSnapshots, SnapshotFiles } from "../state/SnapshotTracker.ts"
import type { StateView } from "../state/StateStore.ts"
import type { Millis, Time } from "../time/Time.ts"

/** What every executor is told before it builds the graph. */
export interface Handshake {
  readonly appName: string
  readonly epoch: number
  /** Of drivers, see `OutputContext`. */
  readonly line?: string | undefined
  readonly batchMillis: number
  /** Resolved by the driver. */
  readonly settings: Settings
  /** What the program's own Config is answered from, besides the environment: options of the command line. */
  readonly config: Readonly<Record<string, string>>
  /** The driver's graph; one that differs refuses to run. */
  readonly manifest: Manifest
  /** Digest of the program's code as the driver loaded it. */
  readonly codeFingerprint: string
}

/** Where data can be fetched: hints that come with a task. */
export interface Places {
  /** Executors that hold a block. */
  readonly blocks: ReadonlyArray<readonly [block: BlockId, executors: ReadonlyArray<ExecutorId>]>
  /** Blocks that are lost for good and, by setting, are to be read as empty. */
  readonly ignored: ReadonlyArray<BlockId>
  /** For a shuffle: the executor of each map partition. */
  readonly shuffles: ReadonlyArray<readonly [shuffle: RddId, executors: ReadonlyArray<ExecutorId>]>
  /** For a state: the executor that holds this version of a partition. */
  readonly states: ReadonlyArray<readonly [state: RddId, partition: PartitionIndex, executor: ExecutorId]>
}

/** What a result task does with its partition. */
export type Action =
  | { readonly kind: "collect" }
  | { readonly kind: "count" }
  | { readonly kind: "take"; readonly count: number }
  /** The output's own Effect, run on the executor. */
  | { readonly kind: "foreachPartition"; readonly output: string }

export interface TaskDescription {
  readonly task: number
  readonly partition: PartitionIndex
  readonly attempt: number
  /** Of a state: the files of a snapshot of this version, base first. */
  readonly restore?: SnapshotFiles | undefined
}

export interface RunTasks {
  readonly kind: "RunTasks"
  /** The stage's RDD: for map tasks the shuffled RDD whose parent is computed, for the others the RDD itself. */
  readonly stage: RddId
  readonly work:
    | { readonly kind: "map" }
    | { readonly kind: "result"; readonly action: Action }
    /** Makes a version of a state; `snapshot`: one shall be taken of it. */
    | { readonly kind: "state"; readonly snapshot: boolean }
  /** Digest of the lineage's shape as the driver derived it. */
  readonly digest: string
  /** Plans that this executor has not been sent, oldest first. */
  readonly plans: ReadonlyArray<BatchPlan>
  readonly places: Places
  readonly tasks: ReadonlyArray<TaskDescription>
}

/** The end of a task. */
export type TaskResult =
  | {
    readonly kind: "Done"
    readonly value: Payload | undefined
    readonly records: number
    readonly bytes: number
  }
  | {
    readonly kind: "FetchFailed"
    readonly shuffle: RddId
    readonly mapPartition: PartitionIndex
    readonly executor: ExecutorId
    readonly reason: string
  }
  | {
    readonly kind: "BlockLost"
    readonly block: BlockId
    readonly reason: string
    /** Executors that were named as holders, and do not hold it. */
    readonly notAt: ReadonlyArray<ExecutorId>
  }
  | {
    readonly kind: "Failed"
    readonly operator: StreamId
    readonly partition: PartitionIndex
    readonly message: string
    readonly stack: string | undefined
    /** A text of the record that the user's function was at. */
    readonly record?: string | undefined
    /** It can only fail again. */
    readonly permanent?: boolean | undefined
  }

export interface Forget {
  readonly kind: "Forget"
  readonly before: Time
  readonly blocks: ReadonlyArray<BlockId>
  /** All batches up to here are done: versions of states are forgotten a stream's own remember duration behind it. */
  readonly done?: Time | undefined
  /** Map outputs that are not read again in the normal course of things: should they be, they are computed anew. */
  readonly shuffles?: ReadonlyArray<RddId> | undefined
  readonly snapshots?: ReadonlyArray<RemovableSnapshots> | undefined
}

export type ToExecutor =
  | RunTasks
  | {
    readonly kind: "StartReceiver"
    readonly stream: StreamId
    readonly attempt: number
    readonly rateLimit: number | undefined
  }
  | { readonly kind: "StopReceiver"; readonly stream: StreamId; readonly attempt: number; readonly message: string }
  | { readonly kind: "UpdateRate"; readonly stream: StreamId; readonly rate: number }
  | { readonly kind: "ReceiverAnswer"; readonly request: number; readonly answer: ReceiverAnswer }
  | { readonly kind: "Peers"; readonly executors: ReadonlyArray<ExecutorId> }
  | Forget
  | { readonly kind: "TakeSnapshots"; readonly states: ReadonlyArray<RddId> }
  | { readonly kind: "ReleaseState"; readonly operator: StreamId; readonly partition: PartitionIndex }
  | { readonly kind: "StopExecutor" }

/** What a supervisor tells or asks the ReceiverTracker; all but ReportError are answered. */
export type ReceiverMessage =
  | {
    readonly kind: "RegisterReceiver"
    readonly stream: StreamId
    readonly attempt: number
    readonly receiver: string
  }
  | { readonly kind: "AddBlock"; readonly info: ReceivedBlockInfo }
  | {
    readonly kind: "DeregisterReceiver"
    readonly stream: StreamId
    readonly attempt: number
    readonly message: string
    readonly error: string | undefined
  }
  | {
    readonly kind: "ReportError"
    readonly stream: StreamId
    readonly attempt: number
    readonly message: string
    readonly error: string | undefined
  }
  /** The job of a receiver has ended on its executor. `stopped`: for good, by its own `stop` or by order; else it starts anew. */
  | { readonly kind: "ReceiverEnded"; readonly stream: StreamId; readonly attempt: number; readonly stopped: boolean }

export type ReceiverAnswer =
  | {
    readonly kind: "Accepted"
    /** Of RegisterReceiver: how far the records of each source are stored. */
    readonly marks?: ReadonlyArray<readonly [source: string, mark: number]> | undefined
    /** Of AddBlock: its records are stored already, and the block is not needed. */
    readonly repeated?: boolean | undefined
  }
  /** `mayPass`: it can be asked again. */
  | { readonly kind: "Refused"; readonly reason: string; readonly mayPass?: boolean | undefined }

export type ToDriver =
  | { readonly kind: "ExecutorReady" }
  | { readonly kind: "ExecutorRefused"; readonly difference: string }
  | {
    readonly kind: "TaskEnded"
    readonly stage: RddId
    readonly task: number
    readonly attempt: number
    readonly result: TaskResult
    /** What it took, in steps of a microsecond; 0 where the clock stands still meanwhile. */
    readonly millis: Millis
  }
  | { readonly kind: "ReceiverMessage"; readonly request: number; readonly message: ReceiverMessage }
  | {
    readonly kind: "SnapshotTaken"
    readonly state: RddId
    readonly partition: PartitionIndex
    readonly files: SnapshotFiles
    readonly bytes: number
  }
  | {
    readonly kind: "SnapshotFailed"
    readonly state: RddId
    readonly partition: PartitionIndex
    readonly reason: string
    /** The state cannot be encoded: no snapshot of it will ever be. */
    readonly permanent: boolean
  }
  | { readonly kind: "BlocksHeld"; readonly executor: ExecutorId; readonly blocks: ReadonlyArray<BlockId> }

/** Between executors. */
export type ToPeer =
  | {
    readonly kind: "FetchShuffle"
    readonly request: number
    readonly shuffle: RddId
    readonly mapPartitions: ReadonlyArray<PartitionIndex>
    readonly reducePartition: PartitionIndex
  }
  | { readonly kind: "FetchBlock"; readonly request: number; readonly block: BlockId }
  | {
    readonly kind: "FetchState"
    readonly request: number
    readonly state: RddId
    readonly partition: PartitionIndex
    readonly view: StateView
  }
  | {
    readonly kind: "Fetched"
    readonly request: number
    readonly found: Payload | undefined
    /** Of a shuffle: a map output that is not there. */
    readonly missing: PartitionIndex | undefined
    /** It is there, but cannot leave the executor: the program's error. */
    readonly failure?: string | undefined
    /** A block that is there, but could not be read: another holder may have it. */
    readonly unreadable?: string | undefined
  }
  | {
    readonly kind: "ReplicateBlock"
    readonly request: number
    readonly block: BlockId
    readonly level: StorageLevel
    readonly records: number | undefined
    readonly contents: Payload
  }
  | {
    readonly kind: "Replicated"
    readonly request: number
    /** It could not be stored: why. */
    readonly refused?: string | undefined
  }
