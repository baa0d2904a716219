/**
 * `npm run bench -- [NAME] [--master local|local[n]] [--json] [--batches N] [--rounds N] [--rate N]`: the workloads, those in memory each
 * beside the loop written by hand.
 *
 * Engine and loop run in processes of their own, of this runtime and with its flags, one after the other in turns, so that both
 * see the same machine. Figures are medians over all measured batches of all rounds; beside them stand the worst, how far the rounds
 * were from each other, and how fast a loop written by hand was meanwhile, measured by its speed on a quiet machine.
 */
import * as process from "node:process"
import { parseArgs } from "node:util"
import { besideTheLoop, inMemory } from "./inMemory.ts"
import { workloads as kafka } from "./kafka/workloads.ts"
import * as live from "./live.ts"
import * as sockets from "./socket/sockets.ts"
import { recovery } from "./recovery.ts"
import { print } from "./report.ts"

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    master: { type: "string", default: "local" },
    json: { type: "boolean", default: false },
    batches: { type: "string" },
    rounds: { type: "string", default: "5" },
    /** Lines a second through the socket. */
    rate: { type: "string", default: "320000" }
  }
})

const againstTheClock: Record<string, live.Workload> = {
  "wordcount-socket": sockets.socket,
  "wordcount-socket-log": sockets.socketLog,
  "wordcount-socket-limits": sockets.socketLimits,
  files: live.files,
  tiny: live.tiny,
  "tiny-durable": live.tinyDurable,
  start: live.start,
  recovery,
  idle: live.idle,
  "socket-soak": sockets.soak,
  ...kafka
}

const options = {
  master: values.master,
  rate: Number(values.rate),
  rounds: Number(values.rounds),
  batches: values.batches === undefined ? undefined : Number(values.batches)
}
const all = [...Object.keys(inMemory), ...Object.keys(againstTheClock)]
for (const name of positionals.length > 0 ? positionals : all) {
  const beside = inMemory[name]
  process.stderr.write(`bench: ${name} on ${values.master} ...\n`)
  const rows = await (beside !== undefined ? besideTheLoop(name, beside, options) : againstTheClock[name]?.(options))
  if (rows === undefined) {
    process.stderr.write(`no workload is called "${name}": there are ${all.join(", ")}\n`)
    process.exit(2)
  }
  print(rows, values.json)
}
