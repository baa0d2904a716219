/**
 * compare: what a run delivered beside what the reference model says, and what became of every line that was stored.
 *
 * The model is given what the driver planned: the blocks of each batch, filled with what their receivers stored. Each output of
 * each batch has to be just what the model says, partition by partition, in the same order, once; of windows and states in any
 * order. Where a driver died a batch may be given to an output once more by the next one; what a driver delivers that has lost its
 * place counts where it is right, and for nothing otherwise.
 *
 * Where executors died with blocks that are read as empty (by setting), a partition may be as if those blocks were empty, and the
 * loss has to have been reported. Behind a shuffle such a batch is not compared, only counted as partial: map outputs that were
 * made before the loss and such as were made after it meet there.
 */
import { isDeepStrictEqual } from "node:util"
import type { PartitionSpec } from "../../../core/dstream/BatchPlan.ts"
import type { AnyDStream } from "../../../core/dstream/DStream.ts"
import type { DStreamGraph } from "../../../core/dstream/DStreamGraph.ts"
import { sideValueId } from "../../../core/dstream/GeneratedRDDs.ts"
import type { Time } from "../../../core/time/Time.ts"
import { batchOf, type ModelWorld } from "../../model/model.ts"
import type { Partitions } from "../../model/Partitions.ts"
import type { Ledger } from "../../../adapters/simulation/run/Ledger.ts"
import type { Taken } from "../outside/Source.ts"
import { type Contents, contentsOf } from "./contents.ts"
import type { Delivery } from "./Delivery.ts"

/** Lines that have to be in a batch; `once`: in one only. */
export interface Promised {
  readonly lines: Iterable<string>
  readonly once: boolean
}

export interface RunToCompare {
  readonly ledger: Ledger
  /** What outputs were given. */
  readonly deliveries: ReadonlyArray<Delivery>
  /** Of each program that ran: one, or several where it was changed. */
  readonly graphs: ReadonlyArray<DStreamGraph>
  /** What sinks have, by output and batch. */
  readonly committed: ReadonlyMap<string, ReadonlyMap<Time, ReadonlyMap<number, ReadonlyArray<unknown>>>>
  /** Outputs that are not looked at here. */
  readonly judgedElsewhere: ReadonlySet<string>
  /** A batch may be given to its outputs again by another driver. */
  readonly recovers: boolean
  /** What was acknowledged to sources, of streams that promise to lose none of it. */
  readonly promised: ReadonlyArray<Promised>
  readonly batchMillis: number
  readonly defaultParallelism: number
  readonly taken: ReadonlyArray<Taken>
  /** What a source partition of a direct input holds. */
  readonly read: (
    stream: AnyDStream,
    part: PartitionSpec & { kind: "source" },
    time: Time,
    partition: number
  ) => ReadonlyArray<unknown>
}

export interface Comparison {
  readonly mistakes: ReadonlyArray<string>
  /** Batches that lack blocks which died with their executors. */
  readonly partialBatches: number
  /** Lines that were lost with executors, as they may be. */
  readonly lostLines: number
}

const shownMistakesMax = 10

export function compare(facts: RunToCompare): Comparison {
  const contents = contentsOf(facts.ledger, facts.taken)
  const mistakes = [...contents.mistakes, ...accountForLines(facts, contents), ...keepPromises(facts, contents)]
  const deliveries = new Map<string, Array<Delivery>>()
  for (const delivery of facts.deliveries) {
    const key = `${delivery.output} ${delivery.time}`
    const known = deliveries.get(key)
    if (known === undefined) deliveries.set(key, [delivery])
    else known.push(delivery)
  }
  for (const id of new Set(facts.graphs.flatMap(({ outputs }) => outputs.map(({ id }) => id)))) {
    const having = facts.graphs.filter(({ outputs }) => outputs.some((output) => output.id === id))
    const graph = having[0]!
    const { output, stream } = graph.outputs.find((output) => output.id === id)!
    const { stream: node } = graph.node(stream)!
    const birth = birthOf(facts, graph, node)
    const whole = modelWorld(facts, graph, contents, nothing, birth)
    for (const time of facts.ledger.plans.keys()) {
      if (mistakes.length >= shownMistakesMax) break
      const wanted = (without: ReadonlySet<string>) =>
        batchOf(node, time, without === nothing ? whole : modelWorld(facts, graph, contents, without, birth))
      const delivered = deliveries.get(`${id} ${time}`) ?? []
      const committed = facts.committed.get(id)?.get(time)
      if (time <= birth) continue
      // An output that not every program has need not be there.
      if (having.length < facts.graphs.length && delivered.length === 0 && committed === undefined) continue
      if (facts.judgedElsewhere.has(id)) continue
      const of = { facts, output: id, stream: node, time, wanted }
      if (output.action.kind === "sink") mistakes.push(...compareCommitted(of, committed))
      else if (output.action.kind === "foreachBatch") mistakes.push(...compareBatch(of, delivered))
      else mistakes.push(...comparePartitions(of, delivered))
    }
  }
  const ignored = [...facts.ledger.ignored.values()].flatMap((blocks) => [...blocks])
  const lost = new Set([...ignored].flatMap((block) => contents.lines.get(block) ?? []))
  const lostLines = lost.size + contents.left.reduce((sum, { lines }) => sum + lines.length, 0)
  return { mistakes, partialBatches: facts.ledger.ignored.size, lostLines }
}

/** States that came with a change of the program have no batches at or before this time. */
function birthOf({ ledger }: RunToCompare, graph: DStreamGraph, stream: AnyDStream): Time {
  const born = new Map([...ledger.plans.values()].flatMap(({ history }) => history?.births ?? []))
  const above = (one: AnyDStream): ReadonlyArray<Time> => [
    born.get(graph.nodes.find((node) => node.stream === one)!.id) ?? -Infinity,
    ...one.parents.flatMap(above)
  ]
  return Math.max(...above(stream))
}

/** The world of the model: inputs as the driver planned them; blocks in `without` are empty. */
function modelWorld(
  facts: RunToCompare,
  graph: DStreamGraph,
  contents: Contents,
  without: ReadonlySet<string>,
  birth: Time
): ModelWorld {
  const idOf = (stream: AnyDStream) => graph.nodes.find((node) => node.stream === stream)!.id
  const times = [...facts.ledger.plans.keys()].sort((a, b) => a - b)
  const zeroTime = facts.ledger.plans.get(times[0]!)!.zeroTime
  return {
    defaultParallelism: facts.defaultParallelism,
    batches: { batchMillis: facts.batchMillis, zeroTime, times: times.filter((time) => time > birth) },
    sideValue: (stream, key, time) => {
      const id = sideValueId(idOf(stream), key)
      return facts.ledger.plans.get(time)?.sideValues.find(([name]) => name === id)?.[1]
    },
    input: (stream, time) => {
      const id = idOf(stream)
      const part = facts.ledger.plans.get(time)?.inputs.find((input) => input.stream === id)
      return part?.partitions.map((spec, partition) => {
        if (spec.kind === "block") return without.has(spec.block) ? [] : contents.lines.get(spec.block) ?? []
        if (spec.kind === "source") return facts.read(stream, spec, time, partition)
        throw new Error(`the simulation has no inputs whose records stand in the plan, as ${id} has`)
      })
    }
  }
}

/** One output of one batch, and what the model says of it. */
interface Of {
  readonly facts: RunToCompare
  readonly output: string
  readonly stream: AnyDStream
  readonly time: Time
  readonly wanted: (without: ReadonlySet<string>) => Partitions | undefined
}

const nothing: ReadonlySet<string> = new Set()

function compareBatch(of: Of, delivered: ReadonlyArray<Delivery>): ReadonlyArray<string> {
  const { facts, output, time, wanted } = of
  const expected = wanted(nothing)
  const where = `output "${output}" of batch ${time}`
  const counted = delivered.filter(({ replaced }) => !replaced)
  if (expected === undefined) return counted.length === 0 ? [] : [`${where} was delivered, and the model has none`]
  if (delivered.length === 0 || (!facts.recovers && delivered.length > 1)) {
    return [`${where} was delivered ${delivered.length} times`]
  }
  const lives = new Set(counted.map(({ life }) => life))
  if (lives.size < counted.length) return [`${where} was delivered more than once by one driver`]
  const mistakes = (counted.length === 0 ? delivered : counted).map(({ partitions }) =>
    compareWhole(of, where, partitions)
  )
  return counted.length > 0 || mistakes.every(({ length }) => length > 0) ? mistakes.flat() : []
}

/** A sink has each batch once, whoever committed it. */
function compareCommitted(
  of: Of,
  committed: ReadonlyMap<number, ReadonlyArray<unknown>> | undefined
): ReadonlyArray<string> {
  const expected = of.wanted(nothing)
  const where = `output "${of.output}" of batch ${of.time}`
  if (expected === undefined) return committed === undefined ? [] : [`${where} is in the sink, and the model has none`]
  // Where each partition is committed by itself, nothing is said of a batch that has none.
  if (committed === undefined) return expected.length === 0 ? [] : [`${where} is not in the sink`]
  const actual = expected.map((_, partition) => committed.get(partition) ?? [])
  if (committed.size !== expected.length) {
    return [`${where} has ${committed.size} partitions in the sink, not ${expected.length}`]
  }
  return compareWhole(of, `${where} in the sink`, actual)
}

function compareWhole({ facts, stream, time, wanted }: Of, where: string, actual: Partitions): ReadonlyArray<string> {
  const expected = wanted(nothing)!
  if (isSame(stream, actual, expected)) return []
  if (hasHistory(stream)) {
    const ignored = readsReceiver(stream) ? ignoredUpTo(facts, time) : nothing
    return ignored.size === 0 ? [differs(where, actual, expected)] : notReported(facts, where, ignored)
  }
  const ignored = facts.ledger.ignored.get(time)
  if (ignored === undefined) return [differs(where, actual, expected)]
  const lacking = wanted(ignored)!
  const explained = isShuffled(stream) ||
    (actual.length === lacking.length &&
      actual.every((records, p) => isDeepStrictEqual(records, expected[p]) || isDeepStrictEqual(records, lacking[p])))
  return explained ? notReported(facts, where, ignored) : [differs(where, actual, expected)]
}

const shuffles = new Set([
  "reduceByKey",
  "combineByKey",
  "groupByKey",
  "countByValue",
  "count",
  "reduce",
  "repartition",
  "join",
  "leftOuterJoin"
])

const isShuffled = (stream: AnyDStream): boolean => shuffles.has(stream.kind) || stream.parents.some(isShuffled)

/** A batch of it depends on batches before, and hence on whatever was lost in these. */
const hasHistory = (stream: AnyDStream): boolean =>
  stream.stateful !== undefined || "windowMillis" in stream.params || stream.parents.some(hasHistory)

/** Of states and windows the model knows which records a partition has, not their order: see `orders.test.ts`. */
const isSame = (stream: AnyDStream, actual: Partitions, expected: Partitions): boolean =>
  isDeepStrictEqual(actual, expected) ||
  (hasHistory(stream) && isDeepStrictEqual(actual.map(inAnyOrder), expected.map(inAnyOrder)))

const inAnyOrder = (records: ReadonlyArray<unknown>): ReadonlyArray<string> =>
  records.map((record) => JSON.stringify(record)).sort()

const readsReceiver = (stream: AnyDStream): boolean =>
  stream.input?.kind === "receiver" || stream.parents.some(readsReceiver)

const ignoredUpTo = ({ ledger }: RunToCompare, time: Time): ReadonlySet<string> =>
  new Set([...ledger.ignored].flatMap(([batch, blocks]) => batch <= time ? [...blocks] : []))

/** A partition may be delivered more than once, for a task may run again; each time it is the same. */
function comparePartitions(
  { facts, output, stream, time, wanted }: Of,
  delivered: ReadonlyArray<Delivery>
): ReadonlyArray<string> {
  const expected = wanted(nothing) ?? []
  const ignored = facts.ledger.ignored.get(time) ?? nothing
  const past = hasHistory(stream) && readsReceiver(stream) ? ignoredUpTo(facts, time) : nothing
  const mistakes: Array<string> = []
  expected.forEach((records, partition) => {
    const where = `output "${output}" of batch ${time}, partition ${partition},`
    const deliveries = delivered.filter((it) => it.partition === partition)
    const attempts = facts.ledger.attempts.get(`${output} ${time} ${partition}`) ?? 0
    if (deliveries.length === 0 || deliveries.length > attempts) {
      mistakes.push(`${where} was delivered ${deliveries.length} times in ${attempts} attempts`)
    }
    for (const { partitions, replaced } of deliveries) {
      if (replaced && deliveries.length > 1) continue
      if (isSame(stream, partitions, [records])) continue
      if (past.size > 0) mistakes.push(...notReported(facts, where, past))
      else if (ignored.size > 0 && partitions[0]!.length === 0) mistakes.push(...notReported(facts, where, ignored))
      else mistakes.push(differs(where, partitions[0], records))
    }
  })
  if (delivered.some(({ partition, replaced }) => !replaced && partition! >= expected.length)) {
    mistakes.push(`output "${output}" of batch ${time} was delivered in more than its ${expected.length} partitions`)
  }
  return mistakes
}

const notReported = (facts: RunToCompare, where: string, ignored: ReadonlySet<string>): ReadonlyArray<string> => {
  const alive = [...ignored].filter((block) =>
    facts.ledger.blocks.get(block)?.info.locations.some((holder) => !facts.ledger.isGone(holder))
  )
  if (alive.length > 0) return [`${where} lacks blocks of which a holder never died: ${alive.join(", ")}`]
  const { blocks, lossesReported } = facts.ledger
  const silent = [...ignored].filter((block) => !lossesReported.has(blocks.get(block)!.info.stream))
  return silent.length === 0 ? [] : [`${where} lacks the blocks ${silent.join(", ")}, and nobody was told`]
}

/** Every line that was stored is in a block; every block of an executor that lives was accepted. */
function accountForLines({ ledger }: RunToCompare, { left }: Contents): ReadonlyArray<string> {
  const mistakes: Array<string> = []
  for (const { taken, lines } of left) {
    if (ledger.isGone(taken.executor)) continue
    const calls = taken.calls.filter(({ state }) => state === "failed" || state === "interrupted").flatMap((call) =>
      call.lines
    )
    const lost = lines.filter((line) => !calls.includes(line))
    if (lost.length === 0) continue
    mistakes.push(
      `${lost.length} lines that attempt ${taken.attempt} of ${taken.stream} stored at ${taken.executor} are in no block: ${
        lost[0]
      }`
    )
  }
  for (const [block, { accepted, executor }] of ledger.blocks) {
    if (accepted !== true && !ledger.isGone(executor)) {
      mistakes.push(`block ${block} of ${executor} was ${accepted === false ? "refused" : "never answered"}`)
    }
  }
  return mistakes
}

/** What was acknowledged is in a batch, and where lines are numbered in one only. */
function keepPromises({ ledger, promised }: RunToCompare, { lines }: Contents): ReadonlyArray<string> {
  const times = new Map<string, number>()
  for (
    const part of [...ledger.plans.values()].flatMap(({ inputs }) => inputs.flatMap(({ partitions }) => partitions))
  ) {
    if (part.kind !== "block") continue
    for (const line of lines.get(part.block) ?? []) times.set(line, 1 + (times.get(line) ?? 0))
  }
  const shown = (some: ReadonlyArray<string>) => some.slice(0, 3).map((line) => line.slice(0, 60)).join(", ")
  return promised.flatMap(({ lines, once }) => {
    const lost = [...lines].filter((line) => !times.has(line))
    const twice = once ? [...lines].filter((line) => times.get(line)! > 1) : []
    return [
      ...(lost.length === 0 ? [] : [`${lost.length} lines that were acknowledged are in no batch: ${shown(lost)}`]),
      ...(twice.length === 0 ? [] : [`${twice.length} numbered lines are in more than one block: ${shown(twice)}`])
    ]
  })
}

const differs = (where: string, actual: unknown, expected: unknown): string =>
  `${where} is ${JSON.stringify(actual)}; the model says ${JSON.stringify(expected)}`
