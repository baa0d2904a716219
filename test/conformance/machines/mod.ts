/**
 * Every machine of the vocabulary that there is so far, by name.
 */
import { blockGenerator } from "./blockGenerator.ts"
import { checkpointConf } from "./checkpoint/checkpointConf.ts"
import { checkpointListing } from "./checkpoint/checkpointListing.ts"
import { checkpointReader } from "./checkpoint/checkpointReader.ts"
import { checkpointWriter } from "./checkpoint/checkpointWriter.ts"
import { consumerCache } from "./consumerCache.ts"
import { inputInfoTracker } from "./inputInfoTracker.ts"
import { inputStreams } from "./inputStreams.ts"
import { batchedLog } from "./logs/batchedLog.ts"
import { customLog } from "./logs/customLog.ts"
import type { Machine } from "./machine.ts"
import { pidRateEstimator } from "./pidRateEstimator.ts"
import { rateLimiter } from "./rateLimiter.ts"
import { receivedBlockTracker } from "./receivedBlockTracker.ts"
import { receiverSupervisor } from "./receiverSupervisor.ts"
import { receiverTracker } from "./receiverTracker.ts"
import { recurringTimer } from "./recurringTimer.ts"
import { mapWithStateDataset } from "./state/mapWithStateDataset.ts"
import { mapWithStateRecord } from "./state/mapWithStateRecord.ts"
import { stateHandle } from "./state/stateHandle.ts"
import { stateMap } from "./state/stateMap.ts"
import { streamingContext } from "./streamingContext.ts"
import { windowPersistence } from "./windowPersistence.ts"

export const machines: Readonly<Record<string, Machine>> = {
  batchedLog,
  blockGenerator,
  checkpointConf,
  checkpointListing,
  checkpointReader,
  checkpointWriter,
  consumerCache,
  customLog,
  inputInfoTracker,
  inputStreams,
  mapWithStateDataset,
  mapWithStateRecord,
  pidRateEstimator,
  rateLimiter,
  receivedBlockTracker,
  receiverSupervisor,
  receiverTracker,
  recurringTimer,
  stateHandle,
  stateMap,
  streamingContext,
  windowPersistence
}
