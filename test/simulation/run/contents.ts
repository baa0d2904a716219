/**
 * contents: what each block of a run holds, told from what its receiver gave to `store`: given one by one, the next records in order;
 * given together, the next call.
 */
import type { Ledger, ReportedBlock } from "../../../adapters/simulation/run/Ledger.ts"
import type { BlockId } from "../../../core/blocks/ReceivedBlock.ts"
import type { Taken } from "../outside/Source.ts"

export interface Contents {
  readonly lines: ReadonlyMap<BlockId, ReadonlyArray<string>>
  /** What does not fit: a block that is not what was given. */
  readonly mistakes: ReadonlyArray<string>
  /** Lines that were given and are in no block. */
  readonly left: ReadonlyArray<{ readonly taken: Taken; readonly lines: ReadonlyArray<string> }>
}

/** What each block holds. */
export function contentsOf(ledger: Ledger, taken: ReadonlyArray<Taken>): Contents {
  const lines = new Map<BlockId, ReadonlyArray<string>>()
  const mistakes: Array<string> = []
  const left: Array<{ taken: Taken; lines: ReadonlyArray<string> }> = []
  for (const one of taken) {
    const blocks = [...ledger.blocks.values()]
      .filter(({ info, executor }) =>
        info.stream === one.stream && info.attempt === one.attempt && executor === one.executor
      )
      .sort((a, b) => a.info.sequence - b.info.sequence)
    const rest = one.calls.length > 0
      ? matchCalls(one, blocks, lines, mistakes)
      : cutLines(one, blocks, lines, mistakes)
    if (rest.length > 0) left.push({ taken: one, lines: rest })
  }
  for (const [block, { info }] of ledger.blocks) {
    if (!lines.has(block)) mistakes.push(`block ${block} of ${info.records} records is of no receiver's run`)
  }
  return { lines, mistakes, left }
}

function cutLines(
  taken: Taken,
  blocks: ReadonlyArray<ReportedBlock>,
  into: Map<BlockId, ReadonlyArray<string>>,
  mistakes: Array<string>
): ReadonlyArray<string> {
  let from = 0
  for (const { info } of blocks) {
    const to = from + (info.records ?? 0)
    into.set(info.block, taken.lines.slice(from, to))
    if (to > taken.lines.length) mistakes.push(`block ${info.block} reports records that the receiver never stored`)
    from = to
  }
  return taken.lines.slice(from)
}

/** Blocks and calls in order; a call that came to nothing may have no block. */
function matchCalls(
  taken: Taken,
  blocks: ReadonlyArray<ReportedBlock>,
  into: Map<BlockId, ReadonlyArray<string>>,
  mistakes: Array<string>
): ReadonlyArray<string> {
  const { calls } = taken
  const matched = align(blocks.map(({ info }) => info), calls)
  if (matched === undefined) {
    mistakes.push(
      `the blocks of attempt ${taken.attempt} of ${taken.stream} at ${taken.executor} are not what it stored`
    )
    return []
  }
  blocks.forEach(({ info }, i) => into.set(info.block, calls[matched[i]!]!.lines))
  return calls.flatMap(({ lines }, call) => matched.includes(call) ? [] : lines)
}

/** The call of each block, the first that it can be of; undefined: they do not fit. */
function align(
  blocks: ReadonlyArray<{ readonly sequence: number; readonly records?: number | undefined }>,
  calls: Taken["calls"]
): ReadonlyArray<number> | undefined {
  // A block that was refused has its number all the same: before each block there were at least as many calls as its number says.
  const fits = (block: number, call: number) =>
    blocks[block]!.records === calls[call]!.lines.length && blocks[block]!.sequence <= call
  // ways[block][call]: whether the blocks from there on fit the calls from there on.
  const ways = Array.from({ length: blocks.length + 1 }, () => new Array<boolean>(calls.length + 1).fill(false))
  for (let call = calls.length; call >= 0; call--) {
    for (let block = blocks.length; block >= 0; block--) {
      ways[block]![call] = call === calls.length
        ? block === blocks.length
        : (mayHaveNoBlock(calls[call]!.state) && ways[block]![call + 1]!) ||
          (block < blocks.length && fits(block, call) && ways[block + 1]![call + 1]!)
    }
  }
  if (!ways[0]![0]) return undefined
  const matched: Array<number> = []
  for (let call = 0; call < calls.length; call++) {
    const block = matched.length
    if (block < blocks.length && fits(block, call) && ways[block + 1]![call + 1]!) matched.push(call)
  }
  return matched
}

/** One that is open has one, unless its executor died. */
const mayHaveNoBlock = (state: Taken["calls"][number]["state"]): boolean => state !== "stored"
