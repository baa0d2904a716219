/**
 * W9's source: writes 26 files of 250,000 lines (data set 42) beside an empty folder, prints the folder, renames six of them in one by
 * one, then the other twenty at once. Prints how many words all lines have, and those of the twenty, when it has done so; ends, and
 * removes everything, when its parent closes its stdout.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import process from "node:process"
import { lines } from "./data.ts"

const linesPerFile = 250_000
const warmup = 6
const atOnce = 20
const pauseMillis = 2000

const root = fs.mkdtempSync(path.join(os.tmpdir(), "dstreams-bench-"))
process.on("exit", () => fs.rmSync(root, { recursive: true, force: true }))
const [staged, watched] = ["staged", "watched"].map((name) => path.join(root, name)) as [string, string]
fs.mkdirSync(staged)
fs.mkdirSync(watched)

let words = 0
let wordsAtOnce = 0
for (let file = 0; file < warmup + atOnce; file++) {
  const text = lines(42, file, linesPerFile)
  const wordsOfFile = text.reduce((sum, line) => sum + line.split(" ").length, 0)
  words += wordsOfFile
  if (file >= warmup) wordsAtOnce += wordsOfFile
  fs.writeFileSync(path.join(staged, `${file}.txt`), text.join("\n") + "\n")
}

const moveIn = (file: number) => {
  const now = new Date()
  fs.utimesSync(path.join(staged, `${file}.txt`), now, now)
  fs.renameSync(path.join(staged, `${file}.txt`), path.join(watched, `${file}.txt`))
}

process.stdout.write(`${watched}\n`)
for (let file = 0; file < warmup; file++) setTimeout(() => moveIn(file), (file + 2) * pauseMillis)
setTimeout(() => {
  for (let file = warmup; file < warmup + atOnce; file++) moveIn(file)
  process.stdout.write(JSON.stringify({ words, atOnce: wordsAtOnce }) + "\n")
}, (warmup + 3) * pauseMillis)
setTimeout(() => process.exit(0), 90_000)
process.on("SIGTERM", () => process.exit(0))
