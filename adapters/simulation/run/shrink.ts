/**
 * shrink: makes a failing run small, as long as it fails: fewer batches, then one fault alone, or else fewer. Each fault has a stream
 * of chance of its own, so that leaving one out moves little of the rest.
 */
export interface Size {
  readonly batches: number
  /** Names of the faults that are left. */
  readonly only: ReadonlyArray<string>
}

export interface Shrunk<Result> {
  readonly size: Size
  readonly result: Result
}

const batchesMin = 3

/** `run`: the failing result of a run of this size; undefined: it passes. As a whole undefined: not even the first one fails. */
export async function shrink<Result>(
  first: Size,
  runsMax: number,
  run: (size: Size) => Promise<Result | undefined>
): Promise<Shrunk<Result> | undefined> {
  let best: Shrunk<Result> | undefined
  let runs = 0
  const attempt = async (size: Size): Promise<boolean> => {
    if (runs++ >= runsMax) return false
    const result = await run(size)
    if (result !== undefined) best = { size, result }
    return result !== undefined
  }
  if (!await attempt(first)) return undefined
  for (let batches = Math.floor(first.batches / 2); batches >= batchesMin; batches = Math.floor(batches / 2)) {
    if (!await attempt({ ...best!.size, batches })) break
  }
  for (const name of first.only) if (await attempt({ ...best!.size, only: [name] })) return best
  for (let count = Math.ceil(first.only.length / 2); count >= 1; count = Math.floor(count / 2)) {
    for (let from = 0; from < best!.size.only.length;) {
      const only = best!.size.only.toSpliced(from, count)
      if (!await attempt({ ...best!.size, only })) from += count
    }
  }
  return best
}
