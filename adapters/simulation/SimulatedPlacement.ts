/**
 * SimulatedPlacement: executors as nodes of a simulated world.
 *
 * The slots (start, joining, replacement, back-off) are the engine's own `ExecutorSlots`, run on the driver's node; this is only
 * a launcher. Each executor has a node of its own, a link from and to the driver, and links to its peers, all made of the network
 * with its codec and faults. `crash` kills an executor's node: nothing of it runs on, a beginning of what it had sent still
 * arrives, and after a while the driver finds out.
 */
import { Cause, Deferred, Effect, Exit, type Scope } from "effect"
import type { Handshake, ToDriver, ToPeer } from "../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorId } from "../../core/protocol/Ids.ts"
import type { ExecutorLink, Incoming } from "../../runtime/executor/ExecutorLink.ts"
import * as ExecutorSlots from "../../runtime/placement/ExecutorSlots.ts"
import type { RunExecutor } from "../../runtime/placement/LocalPlacement.ts"
import { type ExecutorInfo, Placement } from "../../runtime/placement/Placement.ts"
import type { Link, Network } from "./kernel/Network.ts"
import type { Node, NodeOptions } from "./kernel/Node.ts"
import type { World } from "./kernel/World.ts"

export interface SimulatedPlacementOptions {
  readonly world: World
  readonly network: Network
  readonly driver: Node
  readonly executors: number
  /** The name of an executor's node. */
  readonly nodeName: (executor: ExecutorId) => string
  /** Runs one executor on its node; given for each node anew, as a process that loads the program would. */
  readonly runExecutor: (node: Node) => RunExecutor
  readonly nodeOptions?: () => NodeOptions
  /** How long it takes until an executor begins to run. */
  readonly startMillis: () => number
  /** How long it takes until the driver notices that an executor is gone. */
  readonly noticeMillis: () => number
}

/** How long an executor that was told to stop may take. */
const stopMillisMax = 2000

/** Who asks a probe. */
const probeName = "probe"

/** An executor whose node has not been killed and whose program has not ended. */
export interface SimulatedExecutor {
  readonly executor: ExecutorId
  readonly node: Node
}

interface Member extends SimulatedExecutor {
  readonly inbox: Inbox
  readonly fromDriver: Link<Incoming>
  readonly toDriver: Link<ToDriver>
  readonly toPeers: Map<ExecutorId, Link<ToPeer>>
  /** The driver has noticed its end: why. */
  readonly noticed: Deferred.Deferred<string>
  cut: boolean
}

/** What comes in is handed over to the one handler; what came before it was set, first. */
class Inbox {
  private handler: ((incoming: Incoming) => void) | undefined
  private early: Array<Incoming> = []

  readonly deliver = (incoming: Incoming): void => {
    if (this.handler === undefined) this.early.push(incoming)
    else this.handler(incoming)
  }

  readonly onMessage = (handler: (incoming: Incoming) => void): void => {
    this.handler = handler
    for (const incoming of this.early.splice(0)) handler(incoming)
  }
}

/** One less than what ends a driver that starts. */
const startDeathsMax = 2

export class SimulatedPlacement {
  readonly service: Placement["Service"]
  private readonly options: SimulatedPlacementOptions
  private readonly members = new Map<ExecutorId, Member>()
  private readonly gone = new Set<ExecutorId>()
  private readonly readyAt = new Map<ExecutorId, number>()
  /** Executors that were lost before they were ready. */
  private startDeaths = 0
  private readonly probed = new Map<ExecutorId, (message: ToPeer) => void>()

  constructor(options: SimulatedPlacementOptions) {
    this.options = options
    this.service = Placement.of({
      size: options.executors,
      start: (handshake, receive) =>
        ExecutorSlots.start(
          {
            host: "simulated",
            launch: (info, hear) => this.launch(info, hear, handshake),
            joined: (executor) => void this.readyAt.set(executor, options.world.now),
            lost: (executor) => this.tellPeers(executor)
          },
          { size: options.executors },
          receive
        )
    })
  }

  /** Those whose nodes live and that were not given up. */
  get alive(): ReadonlyArray<SimulatedExecutor> {
    return this.known.filter(({ cut }) => !cut)
  }

  /** The same, and those that were given up and live on. */
  get nodes(): ReadonlyArray<Node> {
    return this.known.map(({ node }) => node)
  }

  private get known(): ReadonlyArray<Member> {
    return [...this.members.values()].filter(({ node }) => node.state !== "Dead")
  }

  /** Names of the nodes of those that were ready at a time, and live. */
  aliveSince(time: number): ReadonlyArray<string> {
    return this.alive.flatMap(({ executor, node }) =>
      (this.readyAt.get(executor) ?? Infinity) <= time ? [node.name] : []
    )
  }

  /** Whether a driver goes on after its loss: it gives up where too many executors die at their start. */
  canLose(node: Node): boolean {
    const member = this.memberAt(node)
    return member !== undefined && (this.readyAt.has(member.executor) || this.startDeaths < startDeathsMax)
  }

  /** Kills an executor; false if it is not alive. */
  crash(node: Node, reason: string): boolean {
    const member = this.memberAt(node)
    if (member === undefined || node.state === "Dead") return false
    this.end(member, reason)
    return true
  }

  /** The driver hears no more of an executor that lives on; false if there is none. */
  giveUp(node: Node, reason: string): boolean {
    const member = this.memberAt(node)
    if (member === undefined || node.state === "Dead" || member.cut) return false
    this.cut(member, reason)
    return true
  }

  /** Holds up all that is sent between an executor and the driver, in one direction. */
  readonly hold = (node: Node, direction: "to" | "from", millis: number): boolean => {
    const member = this.memberAt(node)
    if (member === undefined) return false
    if (direction === "to") member.fromDriver.hold(millis)
    else member.toDriver.hold(millis)
    return true
  }

  private memberAt(node: Node): Member | undefined {
    return [...this.members.values()].find((member) => member.node === node)
  }

  private readonly launch = (
    info: ExecutorInfo,
    hear: (message: ToDriver) => void,
    handshake: Handshake
  ): Effect.Effect<ExecutorSlots.Launched, never, Scope.Scope> =>
    Effect.gen({ self: this }, function* () {
      const { world, runExecutor, startMillis } = this.options
      const member = this.makeMember(info, hear)
      const link: ExecutorLink = {
        ...info,
        toDriver: member.toDriver.send,
        toPeer: (peer, message) => this.toPeer(member, peer, message),
        onMessage: member.inbox.onMessage
      }
      const program = Effect.scoped(runExecutor(member.node)({ handshake, link }))
      world.after(startMillis(), member.node, () => {
        member.node.run(info.executor, program, (exit) => {
          this.end(member, Exit.isSuccess(exit) ? "it ended" : Cause.pretty(exit.cause))
        })
      })
      yield* Effect.addFinalizer(() => this.stop(member))
      return {
        send: (message) => member.fromDriver.send({ kind: "FromDriver", message }),
        died: Deferred.await(member.noticed)
      }
    })

  private makeMember({ executor }: ExecutorInfo, hear: (message: ToDriver) => void): Member {
    const { world, driver, network, nodeName, nodeOptions } = this.options
    const node = world.node(nodeName(executor), nodeOptions?.())
    const inbox = new Inbox()
    const member: Member = {
      executor,
      node,
      inbox,
      fromDriver: network.link<Incoming>(driver, node, inbox.deliver),
      toDriver: network.link<ToDriver>(node, driver, hear),
      toPeers: new Map(),
      noticed: Deferred.makeUnsafe<string>(),
      cut: false
    }
    this.members.set(executor, member)
    return member
  }

  /** Told to stop, an executor has a while to end well. */
  private stop(member: Member): Effect.Effect<void> {
    member.fromDriver.send({ kind: "FromDriver", message: { kind: "StopExecutor" } })
    return Effect.map(ExecutorSlots.awaitEnd(Deferred.await(member.noticed), stopMillisMax), (ended) => {
      if (!ended) this.end(member, "it did not stop in time")
    })
  }

  /** Asks an executor something in the name of a peer that is none; the answer comes on the executor's node. */
  probe(node: Node, message: ToPeer, answer: (message: ToPeer) => void): void {
    const member = this.memberAt(node)
    if (member === undefined) return
    this.probed.set(member.executor, answer)
    member.node.after(0, () => member.inbox.deliver({ kind: "FromPeer", peer: probeName, message }))
  }

  private toPeer(from: Member, peer: ExecutorId, message: ToPeer): void {
    if (peer === probeName) {
      this.probed.get(from.executor)?.(message)
      return
    }
    const to = this.members.get(peer)
    if (to === undefined || this.gone.has(peer)) {
      from.node.after(1, () => from.inbox.deliver({ kind: "PeerLost", peer }))
      return
    }
    let link = from.toPeers.get(peer)
    if (link === undefined) {
      const deliver = (received: ToPeer) =>
        to.inbox.deliver({ kind: "FromPeer", peer: from.executor, message: received })
      link = this.options.network.link(from.node, to.node, deliver)
      from.toPeers.set(peer, link)
    }
    link.send(message)
  }

  /** The driver tells all others that an executor is gone. */
  private tellPeers(executor: ExecutorId): void {
    this.gone.add(executor)
    for (const member of this.members.values()) {
      if (member.executor !== executor) member.fromDriver.send({ kind: "PeerLost", peer: executor })
    }
  }

  private end(member: Member, reason: string): void {
    member.node.kill(reason)
    this.cut(member, reason)
  }

  private cut(member: Member, reason: string): void {
    if (member.cut) return
    member.cut = true
    if (!this.readyAt.has(member.executor)) this.startDeaths++
    for (const link of member.toPeers.values()) link.cut()
    member.fromDriver.cut()
    const notice = () => Deferred.doneUnsafe(member.noticed, Exit.succeed(reason))
    member.toDriver.cut(notice, this.options.noticeMillis())
  }
}
