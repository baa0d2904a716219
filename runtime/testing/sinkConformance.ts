/**
 * sinkConformance: whether a sink keeps what it promises. It is taken through a few batches and let die at every step; another driver
 * takes over; drivers that were replaced go on; batches come again. What a reader sees, after every death and at the end, is compared
 * with the sequential reference, by the sink's guarantee (`sinkExpectation`).
 */
import { Cause, Effect, Exit, Scope } from "effect"
import * as Sink from "../../core/output/Sink.ts"
import { describeError } from "../../core/protocol/describeError.ts"
import { begin, type SteppedFiber } from "./SteppedFiber.ts"
import { complaintsOf, type ReferenceBatch } from "./sinkExpectation.ts"
import { SinkLife, type SinkLog } from "./sinkLife.ts"

export interface SinkConformanceOptions<A, E1, R1, E2, R2> {
  /**
   * The sink as a process has it that has just started, for the target of this name: each case has a target of its own, that is empty
   * at first. Called for the driver and for an executor; the scope is their life.
   */
  readonly make: (
    target: string
  ) => Effect.Effect<Sink.Sink<A, any, any, any> | Sink.PartitionSink<A, any, any>, E1, R1>
  /** The ids of the records that a reader of the target sees, one for each copy; in any order. */
  readonly read: (target: string) => Effect.Effect<ReadonlyArray<number>, E2, R2>
  /** The record of an id. */
  readonly record: (id: number) => A
  /** How a driver dies: nothing of it goes on (`kill`), or its finalizers run (`interrupt`), for connections that only they close. */
  readonly death?: "kill" | "interrupt" | undefined
  /** Most steps at which a driver is let die; evenly spread, if there are more. 100. */
  readonly deathsMax?: number | undefined
  /** How long a driver may wait for one that sleeps, in milliseconds, before that goes on too. 1000. */
  readonly patienceMillis?: number | undefined
}

export interface SinkConformance {
  readonly guarantee: Sink.Guarantee
  /** How many courses of events were tried, and at how many steps of a life without faults a driver was let die. */
  readonly cases: number
  readonly deaths: number
  /** A sentence for each thing that went wrong, with what led to it; each is told once. Empty: the sink keeps its promise. */
  readonly failures: ReadonlyArray<string>
}

/** Steps at which a driver dies or sleeps of which what comes then is varied too. */
const fewMax = 16

/** They have targets of their own, and mostly wait for them. */
const casesAtOnce = 4

/** Records of each batch; one is empty. */
const sizes = [3, 4, 0, 5]
const reference: ReadonlyArray<ReferenceBatch> = sizes.map((size, index) => ({
  batch: index + 1,
  ids: Array.from({ length: size }, (_, i) => (index + 1) * 100 + i)
}))
const batches = reference.map(({ batch }) => batch)

export const sinkConformance = <A, E1, R1, E2, R2>(
  options: SinkConformanceOptions<A, E1, R1, E2, R2>
): Effect.Effect<SinkConformance, E1 | E2, Exclude<R1, Scope.Scope> | R2> =>
  Effect.gen(function* () {
    const { deathsMax = 100 } = options
    const kit = new Kit(options)
    const whole = yield* kit.of("without any fault", (world) => world.live({}))
    const steps = whole ?? 0
    yield* kit.of("with each batch committed twice", (world) => world.live({ twice: true }))
    yield* kit.of("with all batches again under a later driver", (world) =>
      Effect.andThen(world.live({}), world.live({ again: batches })))
    yield* kit.of("with all batches again, out of order, under a later driver", (world) =>
      Effect.andThen(world.live({}), world.live({ again: batches.toReversed() })))
    const deaths = spread(steps, deathsMax)
    const few = spread(steps, Math.min(fewMax, deathsMax))
    const courses = [
      ...deaths.map((at) => (world: World) =>
        killedOnce(world, at)
      ),
      ...few.flatMap((at) =>
        spread(steps, 3).map((then) => (world: World) => killedTwice(world, at, then))
      ),
      ...few.flatMap((at) => [0, ...spread(steps, 2), Infinity].map((then) => (world: World) => slept(world, at, then)))
    ]
    yield* Effect.forEach(courses, (course) => kit.of("", course), { concurrency: casesAtOnce, discard: true })
    const { cases, failures } = kit
    return { guarantee: kit.guarantee ?? "at-least-once", cases, deaths: deaths.length, failures: [...failures] }
  })

const killedOnce = (world: World, at: number) =>
  Effect.gen(function* () {
    const first = yield* world.start({})
    yield* world.die(first, at)
    yield* world.check("killed", false)
    yield* world.live({})
  })

const killedTwice = (world: World, at: number, then: number) =>
  Effect.gen(function* () {
    yield* world.die(yield* world.start({}), at)
    yield* world.die(yield* world.start({}), then)
    yield* world.check("killed", false)
    yield* world.live({})
  })

/** Sleeps at a step; another driver comes, fences and does so much; it goes on; the other one does the rest. */
const slept = (world: World, at: number, then: number) =>
  Effect.gen(function* () {
    const old = yield* world.start({})
    old.fiber.resume(at)
    yield* old.fiber.settled
    const next = yield* world.start({})
    // Either may have to wait for the other, as for a lock.
    const beside = yield* world.takeOver(next, old, then)
    const after = yield* world.runTo(old, Infinity)
    if (beside !== "waiting" && after !== "waiting") yield* world.check("gone on", false)
    next.fiber.resume()
    yield* world.finish(next)
    yield* world.end(old)
  })

interface Running {
  readonly life: SinkLife
  readonly fiber: SteppedFiber<void, unknown>
  readonly scope: Scope.Closeable
}

interface LifeInput {
  readonly again?: ReadonlyArray<number>
  readonly twice?: boolean
}

/** All cases of one sink. */
class Kit {
  cases = 0
  guarantee: Sink.Guarantee | undefined
  readonly failures = new Set<string>()
  readonly options: SinkConformanceOptions<any, any, any, any, any>

  constructor(options: SinkConformanceOptions<any, any, any, any, any>) {
    this.options = options
  }

  /** Runs a case on a target of its own, then looks at the end. The steps of its last life. */
  readonly of = <B>(
    what: string,
    course: (world: World) => Effect.Effect<B, any, any>
  ): Effect.Effect<B | undefined, any, any> =>
    Effect.suspend(() => {
      const world = new World(this, `conformance-${++this.cases}`, what)
      return Effect.tap(course(world), () => world.check("", true)).pipe(
        Effect.catch((error) => {
          if (!(error instanceof CaseFailed)) return Effect.fail(error)
          this.failures.add(error.message)
          return Effect.undefined
        }),
        Effect.ensuring(world.closeAll)
      )
    })
}

const notEmpty =
  "before anything was committed, a target has records: give each name that make is called with a target of its own, " +
  "which is empty at first, also when the test runs again"

/** What a case comes to that cannot go on. */
class CaseFailed extends Error {}

/** A target and the drivers that come one after the other. */
class World {
  private readonly kit: Kit
  private readonly target: string
  private readonly log: SinkLog = { reference, known: new Set(), begun: new Map() }
  private story: string
  private epochs = 0
  /** Of drivers that are neither dead nor at their end. */
  private readonly scopes = new Set<Scope.Closeable>()
  private commits: "batch" | "partition" = "batch"

  constructor(kit: Kit, target: string, story: string) {
    this.kit = kit
    this.target = target
    this.story = story
  }

  /** A driver that has not done anything yet. */
  readonly start = (input: LifeInput): Effect.Effect<Running, any, any> =>
    Effect.gen({ self: this }, function* () {
      const { make, record } = this.kit.options
      const scope = yield* Scope.make()
      this.scopes.add(scope)
      const [driver, executor] = yield* Scope.provide(Effect.all([make(this.target), make(this.target)]), scope)
      if (this.epochs === 0) yield* this.empty
      this.kit.guarantee = driver.guarantee
      this.commits = driver[Sink.TypeId]
      const epoch = ++this.epochs
      // A sink that commits partitions gets the same ones: the engine has recorded how many there are.
      const partitionsOf = (batch: number) => 1 + (batch + (this.commits === "batch" ? epoch : 0)) % 3
      const life = new SinkLife({ ...input, epoch, driver, executor, record, log: this.log, partitionsOf })
      const fiber = yield* begin(life.run, 0)
      yield* fiber.settled
      return { life, fiber, scope }
    })

  /** What an earlier run or another case has left would be taken for what the sink did. */
  private readonly empty: Effect.Effect<void, any, any> = Effect.suspend(() =>
    Effect.flatMap(
      this.kit.options.read(this.target),
      (ids) => ids.length === 0 ? Effect.void : Effect.fail(new CaseFailed(notEmpty))
    )
  )

  /** A driver from its start to its end; its steps. */
  readonly live = (input: LifeInput): Effect.Effect<number, any, any> =>
    Effect.gen({ self: this }, function* () {
      const running = yield* this.start(input)
      running.fiber.resume()
      yield* this.finish(running)
      return running.fiber.steps()
    })

  /** Lets it come to its end, which has to be a good one. */
  readonly finish = (running: Running): Effect.Effect<void, any, any> =>
    Effect.gen({ self: this }, function* () {
      const exit = yield* running.fiber.settled
      yield* this.close(running.scope)
      if (exit === "paused" || Exit.isSuccess(exit)) return
      const error = describeError(Cause.squash(exit.cause))
      return yield* Effect.fail(new CaseFailed(`${this.story}: a driver failed ${running.life.where}: ${error}`))
    })

  /** Lets it come to its end, well or not. */
  readonly end = (running: Running): Effect.Effect<void, any, any> =>
    Effect.andThen(running.fiber.settled, this.close(running.scope))

  /** Until it is paused at a step, or has ended, or waits longer than there is patience. */
  readonly runTo = (running: Running, steps: number): Effect.Effect<"paused" | "ended" | "waiting", any, any> =>
    Effect.suspend(() => {
      running.fiber.resume(steps)
      return running.fiber.settled.pipe(
        Effect.map((settled) => settled === "paused" ? settled : "ended" as const),
        Effect.timeoutOrElse({ duration: this.patience, orElse: () => Effect.succeed("waiting" as const) })
      )
    })

  readonly die = (running: Running, at: number): Effect.Effect<void, any, any> =>
    Effect.gen({ self: this }, function* () {
      running.fiber.resume(at)
      yield* running.fiber.settled
      this.tell(`killed ${running.life.where}`)
      if (this.kit.options.death === "interrupt") yield* running.fiber.interrupt
      else running.fiber.kill()
      yield* this.close(running.scope)
    })

  /** Until it has fenced, from when on it knows nothing of what the old one does, and then so many steps. */
  readonly takeOver = (
    next: Running,
    old: Running,
    steps: number
  ): Effect.Effect<"paused" | "ended" | "waiting", any, any> =>
    Effect.gen({ self: this }, function* () {
      this.tell(`asleep ${old.life.where} until another driver had taken over`)
      old.life.successor = next.life
      let until: "paused" | "ended" | "waiting" = "paused"
      while (!next.life.fenced && until === "paused") until = yield* this.runTo(next, next.fiber.steps() + 1)
      return until === "paused" ? yield* this.runTo(next, next.fiber.steps() + steps) : until
    })

  /** What is seen now is as the guarantee says. */
  readonly check = (when: string, atEnd: boolean): Effect.Effect<void, any, any> =>
    Effect.gen({ self: this }, function* () {
      const ids = yield* this.kit.options.read(this.target)
      const guarantee = this.kit.guarantee!
      const { begun, known } = this.log
      const complaints = complaintsOf({ guarantee, commits: this.commits, reference, begun, known, ids, atEnd })
      if (complaints.length === 0) return
      const then = atEnd ? "at the end" : `as soon as it had ${when === "killed" ? "died" : when}`
      return yield* Effect.fail(new CaseFailed(`${this.story}: ${then}, ${complaints.join("; ")}`))
    })

  private tell(what: string): void {
    this.story = this.story === "" ? what : `${this.story}, then ${what}`
  }

  private get patience(): number {
    return this.kit.options.patienceMillis ?? 1000
  }

  /** What a process held is given back; what does not come to an end is left. */
  private readonly close = (scope: Scope.Closeable): Effect.Effect<void> =>
    Effect.suspend(() => {
      this.scopes.delete(scope)
      return Effect.timeoutOrElse(Scope.close(scope, Exit.void), { duration: this.patience, orElse: () => Effect.void })
    })

  readonly closeAll: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach([...this.scopes], (scope) => this.close(scope), { discard: true })
  )
}

/** At most so many of 0 to count - 1, evenly spread, with the first and the last. */
const spread = (count: number, max: number): ReadonlyArray<number> => {
  if (count <= max) return Array.from({ length: count }, (_, i) => i)
  const picked = Array.from({ length: max }, (_, i) => Math.round((i * (count - 1)) / Math.max(1, max - 1)))
  return [...new Set(picked)]
}
