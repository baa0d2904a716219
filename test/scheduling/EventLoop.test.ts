import * as assert from "node:assert/strict"
import { Cause, Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as EventLoop from "../../runtime/driver/EventLoop.ts"
import * as Supervisor from "../../runtime/Supervisor.ts"
import { it } from "../kit.ts"

const failures = () => {
  const causes: Array<string> = []
  return { causes, fail: (cause: Cause.Cause<unknown>) => void causes.push(Cause.pretty(cause).split("\n")[0]!) }
}

const counting = (perform: (command: number) => Effect.Effect<void> | void) => ({
  name: "Counter",
  initial: 0,
  step: (state: number, event: number) => {
    if (event < 0) throw new Error(`${event} is below zero`)
    return [state + event, [state + event]] as const
  },
  perform
})

it("events are stepped in the order in which they were posted, also those posted by commands", () =>
  Effect.gen(function* () {
    const { fail, causes } = failures()
    const performed: Array<number> = []
    const loop: EventLoop.EventLoop<number, number> = yield* EventLoop.make<number, number, number>(
      counting((sum) => {
        performed.push(sum)
        if (sum < 3) loop.post(10)
      }),
      fail
    )
    loop.post(1)
    loop.post(1)
    loop.post(1)
    yield* TestClock.adjust(1)
    assert.deepEqual(performed, [1, 2, 3, 13, 23])
    assert.equal(loop.state(), 23)
    assert.deepEqual(causes, [])
  }))

it("a command that is an Effect is awaited before the next event", () =>
  Effect.gen(function* () {
    const { fail } = failures()
    const performed: Array<string> = []
    const loop = yield* EventLoop.make(
      counting((sum) =>
        Effect.gen(function* () {
          performed.push(`begin ${sum}`)
          yield* Effect.sleep("1 second")
          performed.push(`end ${sum}`)
        })
      ),
      fail
    )
    loop.post(1)
    loop.post(1)
    yield* TestClock.adjust("3 seconds")
    assert.deepEqual(performed, ["begin 1", "end 1", "begin 2", "end 2"])
  }))

it("a step or a command that throws ends the context with its cause", () =>
  Effect.gen(function* () {
    const { fail, causes } = failures()
    const step = yield* EventLoop.make(counting(() => {}), fail)
    step.post(-1)
    const command = yield* EventLoop.make(counting(() => Effect.die(new Error("no room"))), fail)
    command.post(1)
    yield* TestClock.adjust(1)
    assert.deepEqual(causes, ["Error: -1 is below zero", "Error: no room"])
  }))

it("when its scope closes a loop ends silently, and ignores what is posted", () =>
  Effect.gen(function* () {
    const { fail, causes } = failures()
    const scope = yield* Scope.make()
    const loop = yield* EventLoop.make(counting(() => Effect.never), fail).pipe(Scope.provide(scope))
    loop.post(1)
    yield* TestClock.adjust(1)
    yield* Scope.close(scope, Exit.void)
    loop.post(1)
    yield* TestClock.adjust(1)
    assert.deepEqual([causes, loop.state()], [[], 1])
  }))

it("no supervised fiber dies silently: not by failure, nor by an interruption that nobody asked for", () =>
  Effect.gen(function* () {
    const { fail, causes } = failures()
    const fork = yield* Supervisor.make<string>(fail)
    fork(Effect.fail("gone"))
    fork(Effect.interrupt)
    const canceled = fork(Effect.never)
    yield* canceled.cancel
    yield* fork(Effect.void).cancel
    assert.equal(causes.length, 2)
    assert.match(causes.join(" "), /gone.*interrupt/i)
  }))
