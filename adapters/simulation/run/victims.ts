/**
 * victims: what faults can strike in a run, and how each is struck.
 */
import type { BrokerFault, Victims } from "../faults/Faults.ts"
import type { Chance } from "../kernel/Chance.ts"
import type { Node } from "../kernel/Node.ts"
import type { World } from "../kernel/World.ts"
import type { SimulatedPlacement } from "../SimulatedPlacement.ts"
import type { Life } from "./Life.ts"

/** What receivers read from, as faults see it. Each answers whether there was something to break. */
export interface BreakableSource {
  /** Breaks a connection. */
  readonly break: (how: "receiverFailure" | "sourceClosed") => boolean
  /** Takes no connections for a while. */
  readonly close: (millis: number) => boolean
}

/** Brokers outside of the program, as faults see them. */
export interface BreakableBrokers {
  /** Answers whether there was something to break. */
  readonly strike: (how: BrokerFault, chance: Chance, millis: number) => boolean
}

/** A run, as faults see it. */
export interface Struck {
  readonly world: World
  readonly sources: ReadonlyArray<BreakableSource>
  readonly brokers: BreakableBrokers | undefined
  /** The newest driver. */
  readonly current: Life
  /** Starts another one. */
  readonly startLife: () => void
  /** Kills the newest one, and starts another one a while later; false: there is none. */
  readonly crashDriver: (chance: Chance) => boolean
  /** Kills one; `outlive`: how likely each of its executors goes on for a while. */
  readonly crashLife: (life: Life, reason: string, outlive: number) => void
  /** What an executor held counts as gone. */
  readonly died: (node: Node) => void
  readonly placementOf: (node: Node) => SimulatedPlacement
  /** How often the program was changed. */
  changes: number
}

/** A driver that was replaced lives on for so long at most. */
const replacedMillisMax = 8000

export const victimsOf = (run: Struck): Victims => {
  const later = (millis: number, act: () => void) => void run.world.after(millis, undefined, act)
  const someSource = (chance: Chance, act: (source: BreakableSource) => boolean) => {
    const { sources } = run
    const first = chance.below(sources.length)
    return sources.some((_, i) => act(sources[(first + i) % sources.length]!))
  }
  return {
    driver: () => run.current.driver,
    executors: () => run.current.placement.alive.map(({ node }) => node),
    crash: (node) => {
      const placement = run.placementOf(node)
      if (!placement.canLose(node)) return false
      run.died(node)
      return placement.crash(node, "a fault")
    },
    giveUp: (node, pauseMillis, zombieMillis) => {
      const placement = run.placementOf(node)
      if (!placement.canLose(node)) return false
      run.died(node)
      node.pause(pauseMillis)
      later(pauseMillis + zombieMillis, () => void placement.crash(node, "it was given up"))
      return placement.giveUp(node, "it was silent for too long")
    },
    partition: (chance, millis) => {
      const { alive, hold } = run.current.placement
      return alive.length > 0 && hold(chance.pick(alive).node, chance.coin(0.5) ? "to" : "from", millis)
    },
    crashDriver: (chance) => run.crashDriver(chance),
    upgrade: (chance) => {
      const crashed = run.crashDriver(chance)
      if (crashed) run.changes++
      return crashed
    },
    doubleDriver: (chance) => {
      const life = run.current
      if (life.state !== "current" || !life.running) return false
      if (chance.coin(0.5)) life.driver.pause(chance.between(1, 4000))
      later(chance.between(1, replacedMillisMax), () => run.crashLife(life, "it was replaced", 0.5))
      run.startLife()
      return true
    },
    breakReceiver: (how, chance) => someSource(chance, (source) => source.break(how)),
    closeSource: (chance, millis) => someSource(chance, (source) => source.close(millis)),
    breakBrokers: (how, chance, millis) => run.brokers?.strike(how, chance, millis) ?? false
  }
}
