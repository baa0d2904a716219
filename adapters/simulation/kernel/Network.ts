/**
 * Network: carries messages between the nodes of a simulated world.
 *
 * Promised, as `Placement` says: what is sent over a link arrives in order, perhaps twice in a row, until the link is cut; a
 * message enters its receiver only as a task of the receiver's own node. Not promised: when. A message is encoded when it is sent
 * and decoded anew at each arrival, by the codec of a real wire, so that nothing mutable is shared and nothing that cannot
 * travel gets through.
 *
 * Beneath a link datagrams are delayed, doubled, lost and overtaken; the link sends again what was lost and puts in order what came
 * out of it, so that of all this a duplicate and a delay are seen, the latter by all that was sent after. Faults besides: a link
 * that carries nothing for a while, in one direction, and at a cut the loss of everything sent after a moment that chance names.
 */
import type { RecordCodec } from "../../../core/protocol/RecordCodec.ts"
import type { Chance } from "./Chance.ts"
import type { Node } from "./Node.ts"
import type { World } from "./World.ts"

export interface NetworkFaults {
  /** Milliseconds a message takes, on top of its order. */
  readonly delayMillis: () => number
  readonly duplicate: () => boolean
}

export interface Link<M> {
  /** Nothing is sent by a dead node or over a link that was cut; what is sent to a dead node is lost. */
  readonly send: (message: M) => void
  /** What is sent from now on does not arrive before so many milliseconds have passed. */
  readonly hold: (millis: number) => void
  /**
   * Nothing more is sent. Of what is on its way a beginning still arrives; `last` runs on the receiver's node after it, and
   * not before `noticeMillis`. A second cut is no change.
   */
  readonly cut: (last?: () => void, noticeMillis?: number) => void
}

interface Parcel {
  readonly bytes: ArrayBuffer | undefined
  readonly message: number
  readonly last: (() => void) | undefined
}

export class Network {
  private readonly world: World
  private readonly codec: RecordCodec
  private readonly faults: NetworkFaults
  private readonly chance: Chance

  constructor(world: World, codec: RecordCodec, faults: NetworkFaults) {
    this.world = world
    this.codec = codec
    this.faults = faults
    this.chance = world.chance.split("network")
  }

  /** A way from one node to another. `deliver` gets a fresh copy of each message. */
  link<M>(from: Node, to: Node, deliver: (message: M) => void): Link<M> {
    const parcels: Array<Parcel> = []
    let arrival = 0
    let sent = 0
    let isCut = false
    const arrive = () => {
      const parcel = parcels.shift()
      if (parcel === undefined) return
      if (parcel.bytes === undefined) {
        parcel.last?.()
        return
      }
      const message = this.codec.decode(parcel.bytes) as M
      this.world.record(to.name, "Received", { from: from.name, message: parcel.message }, message)
      deliver(message)
    }
    const ship = (parcel: Parcel, leastMillis = 0) => {
      arrival = Math.max(arrival, this.world.now + Math.max(leastMillis, this.faults.delayMillis()))
      parcels.push(parcel)
      to.after(arrival - this.world.now, arrive)
    }
    return {
      send: (message) => {
        if (isCut || from.state === "Dead") return
        const bytes = this.encode(from, to, message)
        const parcel: Parcel = { bytes, message: sent++, last: undefined }
        this.world.record(from.name, "Sent", { to: to.name, message: parcel.message, body: message }, message)
        ship(parcel)
        if (this.faults.duplicate()) ship(parcel)
      },
      hold: (millis) => {
        if (isCut) return
        this.world.record(from.name, "LinkHeld", { to: to.name, millis })
        arrival = Math.max(arrival, this.world.now + millis)
      },
      cut: (last, noticeMillis) => {
        if (isCut) return
        isCut = true
        const kept = this.chance.below(parcels.length + 1)
        this.world.record(from.name, "LinkCut", { to: to.name, lost: parcels.length - kept })
        parcels.length = kept
        ship({ bytes: undefined, message: -1, last }, noticeMillis)
      }
    }
  }

  private encode(from: Node, to: Node, message: unknown): ArrayBuffer {
    try {
      return this.codec.encode(message)
    } catch (error) {
      throw new Error(`A message from "${from.name}" to "${to.name}" cannot travel: ${String(error)}`, { cause: error })
    }
  }
}
