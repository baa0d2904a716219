/**
 * grownOf: what a process holds more of at the end of a day than after its first hour, in words; nothing: it can run for ever.
 */
import { type Day, type Holding } from "./day.ts"

/** Names with more digits, a log that is about to be rolled, compiled code: by so much what is held may differ. */
const heapSlackBytes = 4 * 2 ** 20
const fileSlackBytes = 64 * 2 ** 10
/** What is being written, or removed, when it is looked. */
const openSlack = 4

export const grownOf = ({ end, settled, words }: Day): ReadonlyArray<string> => {
  const grown = (what: keyof Holding, slack: number) =>
    end[what] <= settled[what] + slack
      ? []
      : [`${what}: ${settled[what]} after ${settled.batches} batches, ${end[what]} after ${end.batches}`]
  return [
    ...grown("files", openSlack),
    ...grown("bytes", fileSlackBytes),
    ...grown("handles", openSlack),
    ...grown("heapBytes", heapSlackBytes),
    ...words.least <= words.given && words.given <= words.most
      ? []
      : [`${words.given} words were given to the sink, and not ${words.least} to ${words.most}`]
  ]
}
