/**
 * receiverMistakes: what is wrong with how receivers say that their blocks are kept. A program may come without types.
 */
import type { GraphNode } from "../dstream/DStreamGraph.ts"
import type { Mistake } from "../dstream/validation.ts"
import { describeValue } from "../protocol/describeValue.ts"
import { isStorageLevel, storageLevels } from "./StorageLevel.ts"
import { waysToSurvive } from "./Survival.ts"

export const receiverMistakes = (
  inputs: ReadonlyArray<Pick<GraphNode, "id" | "stream">>,
  hasCheckpointPlace: boolean
): ReadonlyArray<Mistake> =>
  inputs.flatMap(({ id, stream: { input } }): ReadonlyArray<Mistake> => {
    if (input?.kind !== "receiver") return []
    const { storageLevel, survives }: { readonly storageLevel?: unknown; readonly survives?: unknown } =
      input.receiver ?? {}
    const mistakes: Array<Mistake> = []
    if (!isStorageLevel(storageLevel)) {
      mistakes.push({
        where: id,
        message: `${describeValue(storageLevel)} is no storage level`,
        remedy: `give its receiver one of ${storageLevels.join(", ")}`
      })
    }
    if (survives !== undefined && !(waysToSurvive as ReadonlyArray<unknown>).includes(survives)) {
      mistakes.push({
        where: id,
        message: `${describeValue(survives)} is no way in which blocks survive`,
        remedy: `write survives: ${waysToSurvive.map((way) => `"${way}"`).join(", ")}, or leave it out`
      })
    }
    if (survives === "cold" && !hasCheckpointPlace) {
      mistakes.push({
        where: id,
        message: `its blocks shall survive in a log ("cold"), and there is no place for one`,
        remedy: `set checkpointDirectory, or write survives: "hot", which keeps each block at two executors`
      })
    }
    return mistakes
  })
