/**
 * Random graphs: inputs with batches, and up to twelve operators, each over what stands before it. A graph is plain data, so that
 * every process builds the same streams from it; in a report it shows as a pipeline and its batches.
 */
import * as fc from "fast-check"
import * as Memory from "../../adapters/memory/mod.ts"
import type { AnyDStream } from "../../core/dstream/DStream.ts"
import { cut } from "../../core/rdd/RDD.ts"
import type { Partitions } from "../model/Partitions.ts"
import { joining } from "./joining.ts"
import { lookingBack } from "./lookingBack.ts"
import { type Node, pairsOf, present, settled, tamed } from "./Node.ts"
import { numbersOf, type Operator } from "./Operator.ts"
import { plain } from "./plain.ts"

export interface Step {
  readonly operator: string
  /** How far back the parent stands, and the other one of two. */
  readonly back: number
  readonly other: number
  readonly n: number
  readonly m: number
}

export interface Input {
  readonly numPartitions: number
  /** null: no data set. */
  readonly batches: ReadonlyArray<ReadonlyArray<number | string> | null>
}

export interface Graph {
  readonly inputs: ReadonlyArray<Input>
  readonly steps: ReadonlyArray<Step>
}

export const operators: ReadonlyArray<Operator> = [...plain, ...joining, ...lookingBack]

export const batchesMax = 10

const record = fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constantFrom("to", "be", "or", "not"))
const batch = fc.option(fc.array(record, { maxLength: 8 }), { freq: 6 })
const input: fc.Arbitrary<Input> = fc.record({
  numPartitions: fc.integer({ min: 1, max: 4 }),
  batches: fc.array(batch, { minLength: 2, maxLength: batchesMax, size: "max" })
})
const stepOf = (choice: ReadonlyArray<Operator>): fc.Arbitrary<Step> =>
  fc.record({
    operator: fc.constantFrom(...choice.map(({ name }) => name)),
    back: fc.nat(2),
    other: fc.nat(11),
    n: fc.nat(59),
    m: fc.nat(59)
  })

const shown = (graph: Graph): Graph =>
  Object.assign({ ...graph }, { [fc.toStringMethod]: () => `\n${textOf(graph)}\n` })

export const graphs: fc.Arbitrary<Graph> = fc.record({
  inputs: fc.array(input, { minLength: 1, maxLength: 3 }),
  steps: fc.array(stepOf(operators), { minLength: 1, maxLength: 12, size: "max" })
}).map(shown)

/** One state, or one long window with a slide of several batches, over batches that all bring something; and an output of every batch. */
export const lookingBackGraphs: fc.Arbitrary<Graph> = fc.record({
  inputs: fc.record({
    numPartitions: fc.integer({ min: 1, max: 4 }),
    batches: fc.array(fc.array(record, { minLength: 1, maxLength: 4 }), { minLength: 8, maxLength: batchesMax })
  }).map((input) => [input]),
  steps: stepOf(lookingBack).map((step) => [
    { ...step, n: step.n - step.n % 5 + 3 + step.n % 2, m: step.m | 2 },
    { operator: "map", back: 1, other: 0, n: 0, m: 0 }
  ])
}).map(shown)

export interface Built {
  readonly nodes: ReadonlyArray<Node>
  /** Those that no other one reads. */
  readonly outputs: ReadonlyArray<Node>
  readonly inputs: ReadonlyMap<AnyDStream, Input>
}

/** The streams of a graph, for an app of such batches; each call makes them anew. */
export const build = ({ inputs, steps }: Graph, batchMillis = 1000): Built => {
  const sources = inputs.map(({ batches, numPartitions }, i): Node => ({
    stream: Memory.batches(batches, numPartitions),
    text: `in${i}`,
    slide: 1,
    batchMillis,
    isPairs: false,
    isOrdered: true,
    mayLack: batches.includes(null),
    records: 8,
    partitions: numPartitions
  }))
  const nodes = [...sources]
  const read = new Set<number>()
  steps.forEach((step) => {
    const { node, parents } = made(step, nodes)
    for (const parent of parents) read.add(parent)
    nodes.push(node)
  })
  return {
    nodes,
    outputs: nodes.filter((_, i) => !read.has(i)),
    inputs: new Map(sources.map(({ stream }, i) => [stream, inputs[i]!]))
  }
}

const made = ({ back, m, n, operator: name, other }: Step, nodes: ReadonlyArray<Node>) => {
  const operator = operators.find((one) => one.name === name)!
  const numbers = numbersOf(n, m)
  const parent = nodes.length - 1 - back % nodes.length
  const named = (index: number): Node => ({ ...nodes[index]!, text: nameOf(nodes, index) })
  const one = prepared(operator, named(parent))
  const alike = nodes.flatMap(({ slide }, index) => slide === one.slide ? [index] : [])
  const second = alike[other % alike.length]!
  const that = operator.isBinary ? prepared(operator, named(second)) : one
  const result = operator.apply(one, numbers, that)
  const isOrdered = operator.order === "makes" ||
    (operator.order === "keeps" && one.isOrdered && that.isOrdered && result.isOrdered !== false)
  const node: Node = {
    stream: result.stream,
    text: `${one.text}.${name}(${[operator.isBinary ? that.text : "", result.text ?? ""].filter(Boolean).join(", ")})`,
    slide: result.slide ?? one.slide,
    batchMillis: one.batchMillis,
    isPairs: result.isPairs ?? false,
    isOrdered,
    mayLack: result.lacks ?? (one.mayLack || that.mayLack),
    records: result.records ?? one.records,
    partitions: result.partitions ?? one.partitions
  }
  return { node, parents: operator.isBinary ? [parent, second] : [parent] }
}

const nameOf = (nodes: ReadonlyArray<Node>, index: number): string => {
  const inputs = nodes.findIndex(({ text }) => !text.startsWith("in") || text.includes("."))
  return inputs < 0 || index < inputs ? nodes[index]!.text : `s${index - inputs + 1}`
}

const prepared = (operator: Operator, node: Node): Node => {
  const tame = tamed(operator.needsData ? present(node) : node)
  const pairs = operator.onPairs ? pairsOf(tame) : tame
  return operator.needsOrder ? settled(pairs) : pairs
}

/** The partitions of an input's batch, from 0 on. */
export const inputAt = ({ batches, numPartitions }: Input, index: number): Partitions | undefined => {
  const records = index < batches.length ? batches[index] : []
  return records ? cut(records, numPartitions) : undefined
}

export const textOf = (graph: Graph): string => {
  const { nodes, outputs } = build(graph)
  const inputs = graph.inputs.map(({ batches, numPartitions }, i) =>
    `  in${i} in ${numPartitions} partitions: ${batches.map((batch) => JSON.stringify(batch)).join(" ")}`
  )
  const streams = nodes.slice(inputs.length).map((node, i) =>
    `  s${i + 1} = ${node.text}${outputs.includes(node) ? "   -> output" : ""}`
  )
  return [...inputs, ...streams].join("\n")
}
