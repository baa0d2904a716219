/**
 * The named functions of the vocabulary, as users of the engine would write them.
 */
import { type Json, known } from "../Vector.ts"

type Named = Readonly<Record<string, (value: Json, arg: Json) => Json>>

const letters = (text: string) => [...text]

const swap = ([a, b]: Json) => [b, a]

/** From an element to one, or to a list for flatMap; `arg` stands in the operation. */
const elementFunctions: Named = {
  add: (x, arg) => x + arg,
  concatUpper: (texts) => [texts.map((text: string) => text.toUpperCase()).join("")],
  containsA: (text) => text.includes("a"),
  counterOf: (state) => state.counter,
  first: ([a]) => a,
  identity: (x) => x,
  isEven: (x) => x % 2 === 0,
  keyContainsA: ([key]) => key.includes("a"),
  length: (text) => text.length,
  lengthLetterPairs: (text) => letters(text).map((letter) => [text.length, letter]),
  letters,
  modTenPair1: (x) => [x % 10, 1],
  second: ([, b]) => b,
  selfAndDouble: (x) => [x, 2 * x],
  selfAndPlus: (x, arg) => [x, x + arg],
  suffix1and2: (text) => [`${text}1`, `${text}2`],
  sumOfPartition: (list) => [list.reduce((a: number, b: number) => a + b, 0)],
  swap,
  swapAll: (list) => list.map(swap),
  toPair1: (x) => [x, 1],
  toPairX: (x) => [x, "x"],
  toString: (x: Json) => String(x),
  upper: (text) => text.toUpperCase(),
  valueLetterPairs: ([key, value]) => letters(key).map((letter) => [value, letter]),
  valueNotZero: ([, value]) => value !== 0,
  withLength: (text) => [text, text.length]
}

/** The function that an operation names, with its argument. */
export const elementFunction = (name: string, arg?: Json): (value: Json) => Json => {
  const f = known("function", elementFunctions, name)
  return (value) => f(value, arg)
}

const reductions: Readonly<Record<string, (a: number, b: number) => number>> = {
  subtract: (a, b) => a - b,
  sum: (a, b) => a + b
}

export const reduction = (name: string) => known("reduction", reductions, name)

const total = (values: ReadonlyArray<number>): number => values.reduce((a, b) => a + b, 0)

type Update = (values: ReadonlyArray<number>, state: Json, context: { readonly time: number }) => Json

const updates: Readonly<Record<string, Update>> = {
  addBatchTimeIfValues: (values, state = 0, { time }) => values.length > 0 ? time + state : state,
  addToCount: (values, state = 0) => total(values) + state,
  countExpireAfterTwoIdle: (values, state = { counter: 0, idle: 0 }) => {
    if (values.length > 0) return { counter: state.counter + total(values), idle: 0 }
    return state.idle + 1 === 2 ? undefined : { counter: state.counter, idle: state.idle + 1 }
  }
}

/** For updateStateByKey. */
export const update = (name: string) => known("update function", updates, name)

type Mapping = (key: Json, value: Json, state: Json) => Json

const addTo = (state: Json, value: number): number => {
  const sum = (state.exists() ? state.get() : 0) + value
  state.update(sum)
  return sum
}

/** undefined: emits nothing. */
const mappings: Readonly<Record<string, Mapping>> = {
  emitOnTimeout: (key, value, state) => {
    if (value === undefined) return state.isTimingOut() ? key : undefined
    state.update(1)
    return undefined
  },
  removeIfPresentElseSet: (key, value, state) => {
    if (state.exists()) {
      state.remove()
      return key
    }
    state.update(value)
    return undefined
  },
  runningSum: (_, value, state) => addTo(state, value),
  runningSumEmitDoubledKey: (key, value, state) => {
    addTo(state, value)
    return key + key
  },
  runningSumEmitPair: (key, value, state) => [key, addTo(state, value)],
  runningSumSilent: (_, value, state) => void addTo(state, value)
}

/** For mapWithState. */
export const mapping = (name: string) => known("mapping function", mappings, name)

/** Every name that an operation on elements, keys or states may give a function by. */
export const functionNames: ReadonlyArray<string> = [elementFunctions, reductions, updates, mappings].flatMap(
  Object.keys
)
