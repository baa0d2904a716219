/**
 * Placement: the port through which a driver has executors. Makings: `local` (fibers of this process), worker threads,
 * the simulation; later a cluster.
 *
 * Promised: messages from one party to another arrive in order, perhaps twice, until one of them is gone; a loss is told
 * once by `ExecutorLost`, and a lost executor's id never returns. Not promised: when.
 */
import { Context, type Effect, Schema, type Scope } from "effect"
import type { Handshake, ToDriver, ToExecutor } from "../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorId } from "../../core/protocol/Ids.ts"

export interface ExecutorInfo {
  readonly executor: ExecutorId
  readonly host: string
}

export type PlacementEvent =
  | { readonly kind: "ExecutorJoined"; readonly info: ExecutorInfo }
  | { readonly kind: "ExecutorLost"; readonly executor: ExecutorId; readonly reason: string }
  | { readonly kind: "FromExecutor"; readonly executor: ExecutorId; readonly message: ToDriver }

/** No executor could be started. */
export class PlacementError extends Schema.TaggedError<PlacementError>()("PlacementError", {
  message: Schema.String
}) {}

export interface Executors {
  readonly send: (executor: ExecutorId, message: ToExecutor) => void
  /** There shall be so many: those that are missing are started, and join; none is removed. One that cannot start is told. */
  readonly request: (total: number) => void
  /** Told lost, with the reason `removed`, before this returns; then it is ended, and nothing takes its place. */
  readonly remove: (executor: ExecutorId) => void
}

export class Placement extends Context.Service<Placement, {
  /** How many executors there are at the start, when all is well: the default parallelism. */
  readonly size: number
  /** Starts so many executors, and replaces those that die, until the scope closes. `receive` must return at once. */
  readonly start: (
    handshake: Handshake,
    receive: (event: PlacementEvent) => void
  ) => Effect.Effect<Executors, PlacementError, Scope.Scope>
}>()("dstreams/Placement") {}
