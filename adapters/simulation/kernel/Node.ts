/**
 * Node: one party of a simulated world (the driver, an executor), with a Scheduler, a Clock and a Random of its own.
 *
 * | state | what runs | to |
 * | --- | --- | --- |
 * | Running | its tasks, as the world chooses | Paused (pause), Dead (kill) |
 * | Paused | nothing; what becomes ready waits, messages too; time passes | Running (after the pause), Dead (kill) |
 * | Dead | nothing, ever again | - |
 *
 * A kill is not an interruption: ready tasks, timers and pending calls are dropped, and no finalizer runs. What is ready on a
 * node is only put there by its own fibers, its own timers, or messages: no Deferred, Queue or Ref is shared between nodes.
 *
 * The clock behaves like a real one: it shows whole milliseconds, `sleep(0)` yields, `sleep(Infinity)` never returns, and a
 * timer may fire a little early where the options say so.
 */
import {
  Clock,
  Context,
  Duration,
  Effect,
  Exit,
  type Fiber,
  Logger,
  Metric,
  Random,
  References,
  Scheduler
} from "effect"
import type { Chance } from "./Chance.ts"
import type { World } from "./World.ts"

export interface NodeOptions {
  /** How far its wall clock is off at first. */
  readonly clockOffsetMillis?: number
  /** How much too fast its clocks run: milliseconds in a million. Sleeps stay as long as they are. */
  readonly clockDriftPpm?: number
  /** Changes the length of a sleep: timers of the real world may fire early. */
  readonly bendSleep?: (millis: number) => number
}

/** A program that was started on a node. */
export interface Root<A, E> {
  readonly label: string
  /** Undefined while it runs, and for ever if its node was killed. */
  readonly exit: Exit.Exit<A, E> | undefined
  /** Interrupts it politely, as its own node would: finalizers run. */
  readonly interrupt: () => void
}

/** Which program of the node a fiber belongs to, for reports. */
const RootLabel = Context.Reference<string>("dstreams/simulation/RootLabel", { defaultValue: () => "unknown" })

export class Node {
  readonly name: string
  readonly parked: Array<() => void> = []
  readonly clock: Clock.Clock
  /** How far its wall clock is off, besides its drift. */
  clockOffsetMillis: number
  state: "Running" | "Paused" | "Dead" = "Running"
  private readonly world: World
  private readonly services: Context.Context<never>
  private readonly preempt: Chance
  private fibers = new Set<Fiber.Fiber<unknown, unknown>>()
  private fibersMax = 64
  private pausedUntil = 0

  constructor(world: World, name: string, options: NodeOptions) {
    this.world = world
    this.name = name
    this.clockOffsetMillis = options.clockOffsetMillis ?? 0
    this.preempt = world.chance.split(`preempt ${name}`)
    this.clock = makeClock(world, this, options)
    this.services = Context.empty().pipe(
      Context.add(Scheduler.Scheduler, this.makeScheduler()),
      Context.add(Clock.Clock, this.clock),
      Context.add(Random.Random, world.chance.split(`random ${name}`).service),
      Context.add(References.TracerEnabled, false),
      Context.add(Metric.MetricRegistry, new Map()),
      Context.add(Logger.CurrentLoggers, new Set([this.makeLogger()]))
    )
  }

  /** Starts a program at the node's next turn. `onExit` is called on the node, never if the node is killed before. */
  run<A, E>(label: string, program: Effect.Effect<A, E>, onExit?: (exit: Exit.Exit<A, E>) => void): Root<A, E> {
    let fiber: Fiber.Fiber<A, E> | undefined
    let exit: Exit.Exit<A, E> | undefined
    let interrupted = false
    this.world.enqueue(this, () => {
      fiber = Effect.runForkWith(Context.add(this.services, RootLabel, label))(program)
      if (interrupted) fiber.interruptUnsafe()
      fiber.addObserver((it) => {
        exit = it
        onExit?.(it)
      })
    })
    return {
      label,
      get exit() {
        return exit
      },
      interrupt: () => {
        interrupted = true
        this.world.enqueue(this, () => fiber?.interruptUnsafe())
      }
    }
  }

  /** Runs a task of the node after some time: how messages come in. The answer cancels it. */
  after(millis: number, task: () => void): () => void {
    return this.world.after(millis, this, task)
  }

  kill(reason: string): void {
    if (this.state === "Dead") return
    this.state = "Dead"
    this.parked.length = 0
    this.fibers.clear()
    this.world.record(this.name, "NodeKilled", { reason })
  }

  /** Sets its wall clock forward or back. */
  stepClock(millis: number): void {
    this.clockOffsetMillis += millis
    this.world.record(this.name, "ClockStepped", { millis })
  }

  /** Stops everything on the node for a while; pauses that overlap add up to the longest. */
  pause(millis: number): void {
    if (this.state === "Dead") return
    const until = this.world.now + millis
    if (this.state === "Paused" && until <= this.pausedUntil) return
    this.state = "Paused"
    this.pausedUntil = until
    this.world.record(this.name, "NodePaused", { millis })
    this.world.after(millis, undefined, () => {
      if (this.state === "Paused" && this.pausedUntil === until) this.resume()
    })
  }

  private resume(): void {
    this.state = "Running"
    this.world.record(this.name, "NodeResumed", {})
    for (const task of this.parked.splice(0)) this.world.enqueue(this, task)
  }

  /** One line for each fiber of the node that lives: its program, and the named functions it is in. */
  fiberReport(): ReadonlyArray<string> {
    return [...this.fibers].filter(isLive).map((fiber) => `${this.name}: ${fiberName(fiber)} waits`)
  }

  private makeScheduler(): Scheduler.Scheduler {
    const dispatcher: Scheduler.SchedulerDispatcher = {
      scheduleTask: (task) => this.world.enqueue(this, task),
      flush: () => {
        throw new Error(
          `A fiber of node "${this.name}" was run synchronously (runSync inside the engine); run it on the node`
        )
      }
    }
    return {
      executionMode: "async",
      shouldYield: (fiber) => {
        if (fiber.currentOpCount === 1) this.meet(fiber)
        // A dead node's fiber gives up its turn and never gets another.
        if (this.state === "Dead") return true
        return this.world.preemption > 0 && fiber.currentOpCount >= 2 && this.preempt.coin(this.world.preemption)
      },
      makeDispatcher: () => dispatcher
    }
  }

  /** A fiber begins a turn. */
  private meet(fiber: Fiber.Fiber<unknown, unknown>): void {
    if (this.state === "Dead") return
    if (!this.world.stepping) this.world.foreign.push(`${this.name}: ${fiberName(fiber)}`)
    this.fibers.add(fiber)
    if (this.fibers.size <= this.fibersMax) return
    this.fibers = new Set([...this.fibers].filter(isLive))
    this.fibersMax = Math.max(64, 2 * this.fibers.size)
  }

  private makeLogger(): Logger.Logger<unknown, void> {
    return Logger.make(({ logLevel, message }) => {
      this.world.record(this.name, "Log", { level: logLevel, message: [message].flat().map(String).join(" ") })
    })
  }
}

const isLive = (fiber: Fiber.Fiber<unknown, unknown>): boolean => fiber.pollUnsafe() === undefined

function fiberName(fiber: Fiber.Fiber<unknown, unknown>): string {
  const frames: Array<string> = []
  for (let frame = fiber.cache.stackFrame; frame !== undefined; frame = frame.parent) frames.unshift(frame.name)
  // Effect.fn gives two frames a call: where it is defined and where it is called.
  const named = frames.filter((name) => !name.endsWith(" (definition)"))
  const spans = fiber.getRef(References.CurrentLogSpans).map(([label]) => label)
  return [`"${fiber.getRef(RootLabel)}"`, ...named, ...spans].join(" > ")
}

function makeClock(world: World, node: Node, options: NodeOptions): Clock.Clock {
  const drift = 1 + (options.clockDriftPpm ?? 0) / 1e6
  const bend = options.bendSleep ?? ((millis: number) => millis)
  const shown = () => world.startMillis + (world.now - world.startMillis) * drift
  const millis = () => Math.floor(shown()) + node.clockOffsetMillis
  const nanos = () => BigInt(Math.round((shown() + node.clockOffsetMillis) * 1e6))
  const monotonic = () => BigInt(Math.round(shown() * 1e6))
  return {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: monotonic,
    monotonicTimeNanos: Effect.sync(monotonic),
    sleep: (duration) => {
      const length = Duration.toMillis(duration)
      if (length <= 0) return Effect.yieldNow
      if (!Number.isFinite(length)) return Effect.never
      return Effect.callback<void>((resume) => {
        const cancel = node.after(bend(Math.max(1, Math.trunc(length))), () => resume(Effect.void))
        return Effect.sync(cancel)
      })
    }
  }
}
