/**
 * names: how the files beneath a checkpoint place are called.
 *
 * ```
 * app                                     whose place it is
 * epochs/00000001/owner                   taken by exclusive creation: who has it is driver number 1
 * epochs/00000001/log/00000001            segments of the driver's log
 * epochs/00000001/checkpoints/0000000001
 * epochs/00000001/state/...               snapshots of states
 * epochs/00000001/blocks/...              logs of received blocks
 * ```
 * A driver and its executors write beneath their own epoch alone; whatever is referred to is so by its full name.
 */

export const app = "app"

export const epochs = "epochs/"

const padded = (number: number, digits: number): string => String(number).padStart(digits, "0")

export const epochFolder = (epoch: number): string => `${epochs}${padded(epoch, 8)}/`

export const owner = (epoch: number): string => `${epochFolder(epoch)}owner`

/** Segments are beneath it. */
export const logPrefix = (epoch: number): string => `${epochFolder(epoch)}log`

export const checkpointFolder = (epoch: number): string => `${epochFolder(epoch)}checkpoints/`

export const checkpoint = (epoch: number, sequence: number): string =>
  `${checkpointFolder(epoch)}${padded(sequence, 10)}`

/** The epoch that a file is beneath; undefined: none. */
export const epochOf = (name: string): number | undefined => {
  const [, number] = /^epochs\/(\d{8,15})\//.exec(name) ?? []
  return number === undefined ? undefined : Number(number)
}

export interface CheckpointName {
  readonly name: string
  readonly epoch: number
  readonly sequence: number
}

/** undefined: the file is no checkpoint. */
export const checkpointOf = (name: string): CheckpointName | undefined => {
  const [, epoch, sequence] = /^epochs\/(\d{8,15})\/checkpoints\/(\d{10,15})$/.exec(name) ?? []
  return sequence === undefined ? undefined : { name, epoch: Number(epoch), sequence: Number(sequence) }
}

/** The furthest first: a driver's checkpoints are numbered as it goes on, and a later driver went on from an earlier one. */
export const furthestFirst = (names: Iterable<string>): ReadonlyArray<CheckpointName> =>
  Array.from(names, checkpointOf).filter((name) => name !== undefined)
    .sort((a, b) => b.epoch - a.epoch || b.sequence - a.sequence)
