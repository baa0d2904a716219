/**
 * platformatic: the package that speaks Kafka's protocol, loaded when the first cluster is connected. Of it are used: connections with TLS and
 * SASL, and the requests in the versions named here; not its consumer nor its producer, for records go through `records/` here, as they are.
 *
 * The versions are those of Apache Kafka 3.1, which every later one understands; fetching by topic id came with it.
 */
import { Buffer } from "node:buffer"
import { Effect } from "effect"
import { describeError } from "../../../../core/protocol/describeError.ts"
import { KafkaError } from "../../KafkaError.ts"
import { offerCrc32c } from "../../records/crc32c.ts"
import { fetchApi } from "./fetchApi.ts"
import { produceApi } from "./produceApi.ts"

export type Package = typeof import("@platformatic/kafka")

/** The requests. */
interface Apis {
  readonly metadata: Package["metadataV12"]["api"]
  readonly findCoordinator: Package["findCoordinatorV4"]["api"]
  readonly listOffsets: Package["listOffsetsV7"]["api"]
  readonly offsetForLeaderEpoch: Package["offsetForLeaderEpochV4"]["api"]
  readonly fetch: ReturnType<typeof fetchApi>
  readonly produce: ReturnType<typeof produceApi>
  readonly initProducerId: Package["initProducerIdV4"]["api"]
  readonly addPartitionsToTxn: Package["addPartitionsToTxnV3"]["api"]
  readonly addOffsetsToTxn: Package["addOffsetsToTxnV3"]["api"]
  readonly txnOffsetCommit: Package["txnOffsetCommitV3"]["api"]
  readonly endTxn: Package["endTxnV3"]["api"]
  readonly offsetFetch: Package["offsetFetchV7"]["api"]
  readonly offsetCommit: Package["offsetCommitV8"]["api"]
  readonly joinGroup: Package["joinGroupV7"]["api"]
  readonly syncGroup: Package["syncGroupV5"]["api"]
  readonly heartbeat: Package["heartbeatV4"]["api"]
  readonly leaveGroup: Package["leaveGroupV4"]["api"]
}

const apisOf = (kafka: Package): Apis => ({
  metadata: kafka.metadataV12.api,
  findCoordinator: kafka.findCoordinatorV4.api,
  listOffsets: kafka.listOffsetsV7.api,
  offsetForLeaderEpoch: kafka.offsetForLeaderEpochV4.api,
  fetch: fetchApi(kafka),
  produce: produceApi(kafka),
  initProducerId: kafka.initProducerIdV4.api,
  addPartitionsToTxn: kafka.addPartitionsToTxnV3.api,
  addOffsetsToTxn: kafka.addOffsetsToTxnV3.api,
  txnOffsetCommit: kafka.txnOffsetCommitV3.api,
  endTxn: kafka.endTxnV3.api,
  offsetFetch: kafka.offsetFetchV7.api,
  offsetCommit: kafka.offsetCommitV8.api,
  joinGroup: kafka.joinGroupV7.api,
  syncGroup: kafka.syncGroupV5.api,
  heartbeat: kafka.heartbeatV4.api,
  leaveGroup: kafka.leaveGroupV4.api
})

export interface Client {
  readonly package: Package
  readonly apis: Apis
}

let loaded: Client | undefined

/** Once; a failure is not kept. */
export const loadClient: Effect.Effect<Client, KafkaError> = Effect.suspend(() =>
  loaded === undefined ? load : Effect.succeed(loaded)
)

const load = Effect.tryPromise({
  try: async () => {
    const kafka = await import("@platformatic/kafka")
    offerCrc32c((bytes) => kafka.crc32c(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)))
    return loaded = { package: kafka, apis: apisOf(kafka) }
  },
  catch: (error) =>
    new KafkaError({
      reason: "NotInstalled",
      message: `The client for Kafka cannot be loaded (${describeError(error)}): npm install @platformatic/kafka@2.12.1`
    })
})
