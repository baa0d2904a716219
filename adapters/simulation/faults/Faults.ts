/**
 * Faults: what strikes a simulated run, and the count of what did.
 *
 * A moment is a time and a number of steps after it, so that a fault strikes in the middle of work and not only between batches;
 * from then on it strikes at the first chance for which there is a victim (an executor that lives, a receiver that is connected).
 * Counted is what changed the course of the run: a duplicate that arrived, a crash that took something along, never a mere try.
 */
import { Effect } from "effect"
import type { Chance } from "../kernel/Chance.ts"
import type { NetworkFaults } from "../kernel/Network.ts"
import type { Node } from "../kernel/Node.ts"
import type { World } from "../kernel/World.ts"
import { resendMillis } from "./drawFaults.ts"
import {
  type FaultKind,
  faultKinds,
  type FaultPlan,
  type MomentKind,
  momentName,
  moments,
  type RateKind
} from "./FaultPlan.ts"

const statePhases = ["crashInStep", "crashAfterStep", "crashInSnapshot"] as const

/** Those that wait for something to be done, and strike in the middle of it. */
const phases = [...statePhases, "crashInRecovery"] as const
export type Phase = (typeof phases)[number]

/** How far a call gets in which who made it dies. */
export type CallMoment = "before" | "torn" | "after"

/** What befalls the brokers of Kafka. */
export type BrokerFault = "brokersAway" | "leaderChange" | "compaction" | "retention" | "truncation" | "topicReplaced"

/** What faults strike: the parts of a run that can be hurt. Each says whether there was something to hurt. */
export interface Victims {
  /** Nodes of executors, of the newest driver. */
  readonly executors: () => ReadonlyArray<Node>
  readonly crash: (executor: Node) => boolean
  /** Given up while it is paused, and killed so many milliseconds after. */
  readonly giveUp: (executor: Node, pauseMillis: number, zombieMillis: number) => boolean
  /** Nothing comes through between the driver and an executor, in one direction, or between two executors. */
  readonly partition: (chance: Chance, millis: number) => boolean
  readonly driver: () => Node
  readonly crashDriver: (chance: Chance) => boolean
  readonly upgrade: (chance: Chance) => boolean
  /** Another driver is started beside the one that is there. */
  readonly doubleDriver: (chance: Chance) => boolean
  /** Breaks a connected receiver, if there is one. */
  readonly breakReceiver: (how: "receiverFailure" | "sourceClosed", chance: Chance) => boolean
  readonly closeSource: (chance: Chance, millis: number) => boolean
  readonly breakBrokers: (how: BrokerFault, chance: Chance, millis: number) => boolean
}

/** A fault whose victim is not there is tried again after this. */
const retryMillis = 130

/** Between two failures of tasks: a task that fails too often fails its job, as it should. */
const taskFailureGapMillis = 1000

/** The longest that a snapshot, or an access to storage, is held up. */
const slowDiskMillisMax = 3000

/** How far a clock is set. */
const clockSteps = [-3000, -700, 700, 2500, 20_000]

export class Faults {
  readonly counts: Record<FaultKind, number>
  readonly plan: FaultPlan
  private readonly world: World
  private readonly chances = new Map<string, Chance>()
  private readonly usual: Chance
  private over = false
  private lastTaskFailure = -Infinity
  /** What waits for a phase. */
  private readonly armed: Array<
    { readonly phase: Phase; readonly strike: (victim: Node) => boolean; readonly steps: number }
  > = []
  /** Deaths that wait for a call of a port. */
  private readonly armedCalls: Array<Chance> = []

  constructor(world: World, plan: FaultPlan) {
    this.world = world
    this.plan = plan
    this.usual = world.chance.split("messages")
    this.counts = Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as Record<FaultKind, number>
  }

  /** From now on nothing strikes. */
  end(): void {
    this.over = true
  }

  get ended(): boolean {
    return this.over
  }

  /** A stream of chance for each fault. */
  chanceOf(name: string): Chance {
    const known = this.chances.get(name)
    if (known !== undefined) return known
    const made = this.world.chance.split(`fault ${name}`)
    this.chances.set(name, made)
    return made
  }

  /** Whether a fault of a rate strikes now; it is counted. */
  strikes(kind: RateKind): boolean {
    if (!this.wants(kind)) return false
    this.struck(kind)
    return true
  }

  /** Whether it would strike: whoever asks says with `struck` whether that changed anything. */
  wants(kind: RateKind): boolean {
    if (this.over || this.plan.rates[kind] === 0 || this.plan.without.includes(kind)) return false
    return this.chanceOf(kind).coin(this.plan.rates[kind])
  }

  struck(kind: FaultKind): void {
    this.counts[kind]++
    this.world.record("world", "Fault", { kind })
  }

  /** For the network: most messages take a few quarters of a millisecond. */
  readonly network: NetworkFaults = {
    delayMillis: () => {
      let millis = this.usual.below(12) / 4
      if (this.strikes("messageDelay")) millis += this.chanceOf("messageDelay").between(1, this.plan.delayMillisMax)
      if (this.strikes("messageReorder")) millis += this.chanceOf("messageReorder").between(4, 40) / 4
      while (this.strikes("messageLoss")) millis += resendMillis
      return millis
    },
    duplicate: () => this.strikes("messageDuplicate")
  }

  /** For the clocks. */
  readonly bendSleep = (millis: number): number => millis > 1 && this.strikes("earlyTimer") ? millis - 1 : millis

  /** For a new node. */
  driftPpm(): number {
    return this.strikes("clockDrift") ? this.chanceOf("clockDrift").between(-3000, 3000) : 0
  }

  /** A task has begun on a node. */
  taskBegins(node: Node): void {
    if (this.strikes("slowTask")) node.pause(this.chanceOf("slowTask").between(1, this.plan.slowTaskMillisMax))
  }

  /** For users' functions: fails now and then. */
  readonly stumble: Effect.Effect<void, Error> = Effect.suspend(() =>
    this.failsTask("taskFailure") ? Effect.fail(new Error("a user's function stumbled")) : Effect.void
  )

  /** For users' functions in a step: throws now and then. */
  readonly trip = (): void => {
    if (this.failsTask("stepFailure")) throw new Error("a user's function tripped")
  }

  private failsTask(kind: "taskFailure" | "stepFailure"): boolean {
    const due = this.world.now - this.lastTaskFailure >= taskFailureGapMillis
    if (!due || !this.strikes(kind)) return false
    this.lastTaskFailure = this.world.now
    return true
  }

  /** How long an access takes besides what is usual. */
  slowMillis(kind: "snapshotDelay"): number {
    return this.strikes(kind) ? this.chanceOf(kind).between(1, slowDiskMillisMax) : 0
  }

  /** A node is at this phase: whoever waits for that strikes a few steps later. */
  reached(phase: Phase, victim: Node): void {
    const index = this.armed.findIndex((it) => it.phase === phase)
    if (index < 0 || this.over) return
    const [armed] = this.armed.splice(index, 1) as [(typeof this.armed)[number]]
    this.world.afterSteps(armed.steps, () => {
      if (this.over) return
      if (armed.strike(victim)) this.struck(phase)
      else this.armed.push(armed)
    })
  }

  /** A call of a port: how far it gets, if who makes it dies of it. */
  interruptsCall(): CallMoment | undefined {
    if (this.over) return undefined
    return this.armedCalls.shift()?.pick(["before", "torn", "after"] as const)
  }

  /** Lays the momentary faults over a stretch of the run. */
  schedule(
    victims: Victims,
    window: { readonly fromMillis: number; readonly millis: number; readonly batchMillis: number }
  ): void {
    for (const kind of moments) {
      for (let i = 0; i < this.plan.moments[kind]; i++) {
        const name = momentName(kind, i)
        if (this.plan.without.includes(name)) continue
        const chance = this.chanceOf(name)
        const { millis, steps } = this.drawMoment(chance, window)
        const strike = () => this.strikeWhenPossible(kind, victims, chance)
        this.world.after(millis, undefined, () => this.world.afterSteps(steps, strike))
      }
    }
  }

  /** Half of the moments lie in the work that follows a batch time. */
  private drawMoment(chance: Chance, { fromMillis, millis, batchMillis }: Parameters<Faults["schedule"]>[1]) {
    const at = fromMillis + chance.below(millis * 4) / 4
    const inWork = chance.coin(0.5)
    const time = this.world.now + at
    const tick = Math.floor(time / batchMillis) * batchMillis
    return {
      millis: inWork ? Math.max(0, tick - this.world.now + chance.below(120) / 4) : at,
      steps: chance.below(inWork ? 100 : 10)
    }
  }

  private strikeWhenPossible(kind: MomentKind, victims: Victims, chance: Chance): void {
    if (this.over) return
    if (kind === "crashAtCall") return void this.armedCalls.push(chance)
    const phase = phases.find((it) => it === kind)
    if (phase !== undefined) this.arm(phase, victims, chance)
    else if (this.hurt(kind, victims, chance)) this.struck(kind)
    else this.world.after(retryMillis, undefined, () => this.strikeWhenPossible(kind, victims, chance))
  }

  private arm(phase: Phase, victims: Victims, chance: Chance): void {
    const isOfState = statePhases.some((it) => it === phase)
    const strike = isOfState ? victims.crash : () => victims.crashDriver(chance)
    this.armed.push({ phase, strike, steps: chance.below(isOfState ? 40 : 150) })
  }

  private hurt(kind: MomentKind, victims: Victims, chance: Chance): boolean {
    const executors = victims.executors()
    const pauseMillis = chance.between(1, this.plan.pauseMillisMax)
    const onExecutor = (act: (node: Node) => boolean) => executors.length > 0 && act(chance.pick(executors))
    const pause = (node: Node) => (node.pause(pauseMillis), true)
    switch (kind) {
      case "executorCrash":
        return onExecutor(victims.crash)
      case "executorPause":
        return onExecutor(pause)
      case "executorZombie":
        return onExecutor((node) => victims.giveUp(node, pauseMillis, chance.between(1, 6000)))
      case "driverPause":
        return pause(victims.driver())
      case "partition":
        return victims.partition(chance, pauseMillis)
      case "clockStep": {
        const node = chance.coin(0.5) ? victims.driver() : chance.pick([victims.driver(), ...executors])
        node.stepClock(chance.pick(clockSteps))
        return true
      }
      case "receiverFailure":
      case "sourceClosed":
        return victims.breakReceiver(kind, chance)
      case "sourceUnavailable":
        return victims.closeSource(chance, pauseMillis)
      case "driverCrash":
        return victims.crashDriver(chance)
      case "upgrade":
        return victims.upgrade(chance)
      case "twoDrivers":
        return victims.doubleDriver(chance)
      case "brokersAway":
      case "leaderChange":
      case "compaction":
      case "retention":
      case "truncation":
      case "topicReplaced":
        return victims.breakBrokers(kind, chance, pauseMillis)
      case "crashInStep":
      case "crashAfterStep":
      case "crashInSnapshot":
      case "crashAtCall":
      case "crashInRecovery":
        throw new Error(`${kind} waits for its phase`)
    }
  }
}
