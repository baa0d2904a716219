/**
 * Survival: how the blocks of a receiver survive the loss of who holds them. Chosen for each receiver (`survives`).
 *
 * | way | where a block is, before `store` returns | survives |
 * | --- | --- | --- |
 * | hot | at two executors (a storage level with `_2`) | the loss of one executor |
 * | cold | at one executor, and in a write-ahead log in the checkpoint place | the loss of executors and of the driver |
 * | ignore | at one executor | nothing: a lost block is read as empty, counted and told |
 *
 * A receiver that does not say is cold where the app has a checkpoint place; else it goes by its storage level: hot with `_2`, and
 * without it alone at one executor, where the setting `onBlockLost` says what a lost block does. The way says at how many executors a
 * block is, the level says where there. Source: Spark's storage levels and `spark.streaming.receiver.writeAheadLog.enable`, which
 * also does without the second copy where there is a log.
 */
import { isReplicated, placeOf, type StorageLevel } from "./StorageLevel.ts"

export type Survives = "hot" | "cold" | "ignore"

export const waysToSurvive: ReadonlyArray<Survives> = ["hot", "cold", "ignore"]

/** What is done with the blocks of a receiver. */
export interface Survival {
  readonly way: Survives | "alone"
  /** With or without `_2`, as the way has it. */
  readonly level: StorageLevel
}

export const survivalOf = (
  { storageLevel, survives }: { readonly storageLevel: StorageLevel; readonly survives?: Survives | undefined },
  hasCheckpointPlace: boolean
): Survival => {
  const byLevel = isReplicated(storageLevel) ? "hot" : "alone"
  const way = survives ?? (hasCheckpointPlace ? "cold" : byLevel)
  const place = placeOf(storageLevel)
  return { way, level: way === "hot" ? `${place}_2` : place }
}
