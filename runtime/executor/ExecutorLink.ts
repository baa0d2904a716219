/**
 * ExecutorLink: what an executor has of the world: its name, ways to driver and peers, and what comes in.
 */
import type { ToDriver, ToExecutor, ToPeer } from "../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorId } from "../../core/protocol/Ids.ts"

export type Incoming =
  | { readonly kind: "FromDriver"; readonly message: ToExecutor }
  | { readonly kind: "FromPeer"; readonly peer: ExecutorId; readonly message: ToPeer }
  /** A peer is gone: what was asked of it will not be answered. */
  | { readonly kind: "PeerLost"; readonly peer: ExecutorId }

export interface ExecutorLink {
  readonly executor: ExecutorId
  readonly host: string
  readonly toDriver: (message: ToDriver) => void
  readonly toPeer: (peer: ExecutorId, message: ToPeer) => void
  /** Sets the one handler of what comes in; it must return at once. What came before is handed over first. */
  readonly onMessage: (handler: (incoming: Incoming) => void) => void
}
