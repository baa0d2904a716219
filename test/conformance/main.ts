/**
 * The conformance runner: `npm run conformance -- DIR` runs every vector file of a directory; without one, those that the project
 * ships. It exits with 0 if no vector failed, with 1 if one did, with 2 if there is nothing to run.
 */
import { hasFailures, reportOf } from "./report.ts"
import { runFiles, shippedVectors } from "./run.ts"
import { readVectorFiles } from "./Vector.ts"

const directory = process.argv.slice(2).find((argument) => argument !== "--") ?? shippedVectors

const main = async (): Promise<number> => {
  let files: ReturnType<typeof readVectorFiles>
  try {
    files = readVectorFiles(directory)
  } catch (error) {
    console.error(`the vectors of ${directory} cannot be read: ${(error as Error).message}`)
    return 2
  }
  if (files.length === 0) {
    console.error(`${directory} holds no vector file: name a directory of .json files with "area" and "vectors"`)
    return 2
  }
  const results = await runFiles(files)
  for (const line of reportOf(results)) console.log(line)
  return hasFailures(results) ? 1 : 0
}

process.exitCode = await main()
