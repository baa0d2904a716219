/**
 * Derivation: lineage as a process derives it from graph, settings and plans.
 */
import type { AnyRDD, Identity } from "../rdd/RDD.ts"
import type { RddId } from "../protocol/Ids.ts"
import type { Time } from "../time/Time.ts"
import type { BatchPlan } from "./BatchPlan.ts"

/** An RDD that has its id. */
export type SealedRDD = AnyRDD & { readonly identity: Identity }

export interface Derivation {
  /** Adds a plan; the same plan again is no change. */
  readonly addPlan: (plan: BatchPlan) => void
  /** The RDD of this id, derived if need be. Throws a `LineageError` that names the operator. */
  readonly rdd: (id: RddId) => SealedRDD
  /** Digest of the shape of an RDD's lineage: operators, kinds, partition counts, inputs. */
  readonly digest: (rdd: SealedRDD) => string
  /** Forgets plans and RDDs of batches before `time`. */
  readonly forgetBefore: (time: Time) => void
}
