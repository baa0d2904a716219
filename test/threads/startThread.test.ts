/**
 * A thread that is started early is the one that the executor of its name gets, once; one that has ended is not.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { startEarly, startThread } from "../../adapters/threads/startThread.ts"
import { it } from "../kit.ts"

it.live("the executor of its name takes an early thread; the next of that name gets another", () =>
  Effect.promise(async () => {
    const early = startEarly("executor-1")
    const [other, first, second] = ["executor-2", "executor-1", "executor-1"].map((name) => startThread(name))
    assert.equal(first, early)
    assert.equal(new Set([other, first, second]).size, 3)
    await Promise.all([other, first, second].map((thread) => thread!.terminate()))
  }))

it.live("an early thread that has ended is not taken", () =>
  Effect.promise(async () => {
    const early = startEarly("executor-3")
    await early.terminate()
    const thread = startThread("executor-3")
    assert.notEqual(thread, early)
    await thread.terminate()
  }))
