/**
 * judgeTopics: what a program has written into topics, as a reader of what is committed finds it, beside what was in the topic that it
 * read: each record once, in order for each key; and the counts of all batches add up.
 */
import type { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import type { Written } from "../outside/TopicWriters.ts"

/** Of a KafkaServer. */
export interface TopicsToJudge {
  readonly kafka: Pick<KafkaModel, "records">
  /** Of all nodes. */
  readonly warnings: ReadonlyArray<string>
  readonly writers: { readonly written: ReadonlyArray<Written> }
}

const shownMax = 5

/** `isOrdered`: each key was read by one task of a batch. */
export function judgeTopics(server: TopicsToJudge, isOrdered: boolean): ReadonlyArray<string> {
  const { kafka, warnings, writers: { written } } = server
  const words = kafka.records("words").map(({ key, partition, value }) => ({ key: key!, partition, value: value! }))
  const known = new Map(written.map((one) => [valueOf(one), one]))
  const counts = new Map<string, number>()
  for (const { value } of words) counts.set(value, (counts.get(value) ?? 0) + 1)
  const mistakes: Array<string> = []
  for (const value of counts.keys()) if (!known.has(value)) mistakes.push(`${value} was never written into the input`)
  for (const one of written) mistakes.push(...mistakesOf(one, counts.get(valueOf(one)) ?? 0, warnings))
  if (isOrdered) {
    const certain = words.filter(({ value }) => known.get(value)?.state === "certain")
    mistakes.push(...disorderOf(certain))
  }
  mistakes.push(...wrongSums(server))
  return mistakes.length <= shownMax
    ? mistakes
    : [...mistakes.slice(0, shownMax), `and ${mistakes.length - shownMax} more`]
}

const valueOf = ({ number, word }: Written): string => `${word}#${number}`

function mistakesOf(one: Written, times: number, warnings: ReadonlyArray<string>): ReadonlyArray<string> {
  const { offset, partition, state, topic } = one
  const what = `${
    valueOf(one)
  }, which stood at ${topic}/${partition} ${offset} and is ${state}, is there ${times} times`
  switch (state) {
    case "certain":
      return times === 1 ? [] : [what]
    case "lost": {
      const isTold = warnings.some((warning) => tellsLoss(warning, one))
      return times > 1 || (times === 0 && !isTold) ? [`${what}, and nothing was told of a loss`] : []
    }
    case "cut":
      return times > 1 ? [what] : []
    case "aborted":
    case "open":
      return times === 0 ? [] : [what]
  }
}

const tellsLoss = (warning: string, { partition, topic }: Written): boolean =>
  /reading goes on at|are left out|not read any more/.test(warning) &&
  (warning.includes(`partition ${partition} `) || warning.includes(`${topic}/${partition} `))

/** All values of a key are in one partition, and their numbers grow. */
function disorderOf(
  words: ReadonlyArray<{ readonly key: string; readonly partition: number; readonly value: string }>
): ReadonlyArray<string> {
  const last = new Map<string, { readonly partition: number; readonly value: string }>()
  return words.flatMap(({ key, partition, value }) => {
    const before = last.get(key)
    last.set(key, { partition, value })
    if (before === undefined) return []
    if (before.partition !== partition) return [`${value} is in partition ${partition}, and ${before.value} in another`]
    return numberOf(before.value) < numberOf(value) ? [] : [`${value} comes after ${before.value}`]
  })
}

const numberOf = (value: string): number => Number(value.split("#")[1])

function wrongSums({ kafka, writers: { written } }: TopicsToJudge): ReadonlyArray<string> {
  const sums = new Map<string, number>()
  for (const { key, value } of kafka.records("counts")) sums.set(key!, (sums.get(key!) ?? 0) + Number(value))
  return [...new Set([...written.map(({ word }) => word), ...sums.keys()])].flatMap((word) => {
    const having = (...states: ReadonlyArray<Written["state"]>) =>
      written.filter((one) => one.word === word && states.includes(one.state)).length
    const [least, sum] = [having("certain"), sums.get(word) ?? 0]
    const most = least + having("lost", "cut")
    return least <= sum && sum <= most
      ? []
      : [`the counts of ${word} add up to ${sum}; it came ${least} to ${most} times`]
  })
}
