/**
 * Every kind of the vocabulary whose vectors hold data, by name. Kinds in words are met by named tests.
 */
import type { Vector } from "../Vector.ts"
import { behaviour, isBehaviourOfData } from "./behaviour.ts"
import { cleanup } from "./cleanup.ts"
import { fileStream } from "./fileStream.ts"
import type { Kind } from "./kind.ts"
import { functionKind, functionsKind } from "./functions.ts"
import { walBytes, walFiles } from "./logs.ts"
import { offsetRanges } from "./offsetRanges.ts"
import { failing, isErrorOfData, operation, operations, partitioning } from "./operation.ts"
import { queueStream } from "./queueStream.ts"
import { recovery } from "./recovery.ts"
import { scheduling } from "./scheduling.ts"
import { slice } from "./slice.ts"
import { statemachine } from "./statemachine.ts"

export const kinds: Readonly<Record<string, Kind>> = {
  behaviour,
  cleanup,
  error: failing,
  fileStream,
  function: functionKind,
  functions: functionsKind,
  offsetRanges,
  operation,
  operations,
  partitioning,
  queueStream,
  recovery,
  scheduling,
  slice,
  statemachine,
  walBytes,
  walFiles
}

/** Whether a vector is told in words: given, when and then, or a generator and what has to hold. */
export const isInWords = (vector: Vector): boolean =>
  vector.kind === "property" || (vector.kind === "behaviour" && !isBehaviourOfData(vector)) ||
  (vector.kind === "error" && !isErrorOfData(vector))
