/**
 * GeneratedLoop: a chain and a sink as one function of generated code, which runs like a loop written by hand.
 *
 * Nothing of the user's is put into the text: functions are passed in as arguments, and the text is a function of the chain's kinds
 * alone. Each function made ends in a comment of its own, for V8 shares the type feedback of equal texts, and a loop over numbers
 * must not pay for another over strings. `push` keeps what it counts and sums in locals, and writes the sink's state at its end.
 *
 * Pairs stay taken apart (`mapValues` then `reduceByKey` builds none). `reduce` takes its first value of a push in a loop around
 * the main one, so that the accumulator of the main loop is the user's result from the start, on each path that leads there, and numbers
 * stay unboxed; not after a flatMap, where one record can give several.
 *
 * Loops are kept by the identity of their functions, weakly: a static chain is compiled once per process, one whose functions are
 * made anew each batch goes with them.
 */
import { owned } from "../copyValue.ts"
import type { Push } from "../Fusion.ts"
import { partitionOf } from "../Partitioner.ts"
import type { RecordStep } from "../Segment.ts"
import type { Sink, SinkKind, UserFunction } from "../Sink.ts"
import { listOf } from "./FunctionMistake.ts"

/** Longer chains run as closures: engines do not optimize functions without end. */
export const generatedStepsMax = 64

/** Names of the current record in the text: whole, or taken apart into key and value, or both. */
interface Current {
  readonly whole: string | undefined
  readonly key: string
  readonly value: string
}

const wholeRecord = (name: string): Current => ({ whole: name, key: `${name}[0]`, value: `${name}[1]` })
const textOfWhole = (current: Current): string => current.whole ?? `[${current.key}, ${current.value}]`

type Emit = (current: Current) => string

interface SinkText {
  readonly before: string
  readonly emit: Emit
  readonly after: string
}

const sinkText = (kind: SinkKind, at: number): SinkText => {
  switch (kind) {
    case "collect":
      return { before: "const out = state.out", emit: (r) => `out.push(${textOfWhole(r)})`, after: "" }
    case "count":
      return { before: "let count = 0", emit: () => "count++", after: "state.count += count" }
    case "take":
      return {
        before: "const out = state.out, limit = state.limit",
        emit: (r) => `if (out.push(${textOfWhole(r)}) >= limit) return false`,
        after: ""
      }
    case "reduce":
      return {
        before: "let present = state.present, value = state.value",
        emit: (r) =>
          `at = ${at}; if (present) value = s0(value, ${textOfWhole(r)}); ` +
          `else { value = ${textOfWhole(r)}; value = owned(value, value); present = true }`,
        after: "state.present = present; state.value = value"
      }
    case "combine":
      return {
        before: "const map = state.map, values = state.values; let created = state.created, merged = 0",
        emit: (r) =>
          `at = ${at}; const key = ${r.key}, value = ${r.value}; const slot = map.slotOf(key)\n` +
          "if (slot === values.length) values.push(created = owned(s0(value), value)); else values[merged = slot] = s1(values[slot], value)",
        after: "state.created = created; state.merged = merged"
      }
    case "columns":
      return {
        before: "const columns = state.columns, partitioner = state.partitioner",
        emit: (r) =>
          `at = ${at}; const key = ${r.key}, value = ${r.value}\n` +
          "const column = columns[partitionOf(partitioner, key)]; column.keys.push(key); column.values.push(value)",
        after: ""
      }
    case "spread":
      return {
        before: "const columns = state.columns, length = columns.length; let next = state.next",
        emit: (r) => `columns[next].values.push(${textOfWhole(r)}); if (++next === length) next = 0`,
        after: "state.next = next"
      }
  }
}

/** The text of what happens to one record, from step `at` on. */
const stepText = (steps: ReadonlyArray<RecordStep>, at: number, current: Current, emit: Emit): string => {
  const step = steps[at]
  if (step === undefined) return emit(current)
  const rest = (next: Current) => stepText(steps, at + 1, next, emit)
  const call = `at = ${at}; `
  const each = (element: Current, argument: string) =>
    `const l${at} = listOf(f${at}(${argument}), "${step.op.kind}")\n` +
    `for (let j${at} = 0; j${at} < l${at}.length; j${at}++) { const v${at} = l${at}[j${at}]\n${rest(element)} }`
  switch (step.op.kind) {
    case "map":
      return `${call}const r${at} = f${at}(${textOfWhole(current)})\n${rest(wholeRecord(`r${at}`))}`
    case "filter": {
      if (current.whole !== undefined) return `${call}if (f${at}(${current.whole})) {\n${rest(current)} }`
      const name = `r${at}`
      return `${call}const ${name} = ${textOfWhole(current)}; if (f${at}(${name})) {\n${rest(wholeRecord(name))} }`
    }
    case "mapValues": {
      const pair = { whole: undefined, key: `k${at}`, value: `v${at}` }
      return `${call}const k${at} = ${current.key}, v${at} = f${at}(${current.value})\n${rest(pair)}`
    }
    case "flatMap":
      return call + each(wholeRecord(`v${at}`), textOfWhole(current))
    case "flatMapValues":
      return `${call}const k${at} = ${current.key}; ` +
        each({ whole: undefined, key: `k${at}`, value: `v${at}` }, current.value)
  }
}

const loopText = (steps: ReadonlyArray<RecordStep>, kind: SinkKind): string => {
  const sink = sinkText(kind, steps.length)
  const loop = (emit: Emit) =>
    `for (; i < to; i++) { const record = chunk[i]\n` +
    `${stepText(steps, 0, wholeRecord("record"), emit)} }\n`
  const single = !steps.some(({ op }) => op.kind === "flatMap" || op.kind === "flatMapValues")
  const body = kind === "reduce" && single ? peeledReduce(loop, steps.length) : {
    before: sink.before,
    loops: loop(sink.emit),
    after: sink.after
  }
  return `"use strict"
return function push(run, state, chunk, from, to) {
let at = -1, i = from
try {
${body.before}
${body.loops}
${body.after}
} catch (cause) { run.fail(at, i - from, cause) }
return true
}
`
}

/** The loop of all other records of a push stands within that of its first. */
const peeledReduce = (loop: (emit: Emit) => string, at: number) => ({
  before: "",
  loops: loop((r) =>
    `at = ${at}; const one = ${textOfWhole(r)}\n` +
    "if (!state.present) { state.value = owned(one, one); state.present = true; continue }\n" +
    "let value = s0(state.value, one); i++\n" +
    loop((r) => `at = ${at}; value = s0(value, ${textOfWhole(r)})`) +
    "state.value = value"
  ),
  after: ""
})

let loopsMade = 0

const compile = (steps: ReadonlyArray<RecordStep>, sink: Sink<unknown>): Push => {
  const names = [
    "listOf",
    "partitionOf",
    "owned",
    ...steps.map((_, at) => `f${at}`),
    ...sink.functions.map((_, at) => `s${at}`)
  ]
  const values = [listOf, partitionOf, owned, ...steps.map((step) => step.op.f), ...sink.functions]
  loopsMade++
  return new Function(...names, `${loopText(steps, sink.kind)}\n// loop ${loopsMade}`)(...values)
}

/** A place in the tree of loops: the functions so far, each with its kind, lead here. */
class LoopNode {
  readonly loops = new Map<SinkKind, Push>()
  private readonly next = new Map<string, WeakMap<UserFunction, LoopNode>>()

  child(kind: string, f: UserFunction): LoopNode {
    let nodes = this.next.get(kind)
    if (nodes === undefined) this.next.set(kind, nodes = new WeakMap())
    let node = nodes.get(f)
    if (node === undefined) nodes.set(f, node = new LoopNode())
    return node
  }
}

const root = new LoopNode()

/** The loop of a chain and a sink, compiled when it is first asked for. */
export const generatedLoop = (steps: ReadonlyArray<RecordStep>, sink: Sink<unknown>): Push => {
  let node = root
  for (const { op } of steps) node = node.child(op.kind, op.f)
  for (const f of sink.functions) node = node.child(sink.kind, f)
  let loop = node.loops.get(sink.kind)
  if (loop === undefined) node.loops.set(sink.kind, loop = compile(steps, sink))
  return loop
}

let allowed: boolean | undefined

/** Whether this host allows code generation: asked once. */
export const codeGenerationAllowed = (): boolean => {
  if (allowed === undefined) {
    try {
      allowed = new Function("return true")() === true
    } catch {
      allowed = false
    }
  }
  return allowed
}
