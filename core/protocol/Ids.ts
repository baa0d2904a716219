/**
 * Names of the parts of a running system, as they appear in messages, logs and errors.
 */

/** Stable id of an operator: given by the user or derived from its place in the graph. */
export type StreamId = string

/** Id of an executor, unique for the life of a driver: a replaced executor gets a new one. */
export type ExecutorId = string

/** `stream@time:position`: the same in every process that derives the lineage. */
export type RddId = string

/** Where a partition lies in an RDD, from 0. */
export type PartitionIndex = number
