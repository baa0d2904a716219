/**
 * Runs a script of the project on the other of the two runtimes, Deno from Node and Node from Deno, and gives what it prints.
 */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"

const root = new URL("../../", import.meta.url)
const isDeno = "Deno" in globalThis

export const otherRuntime = isDeno ? "Node" : "Deno"

/** `script` is relative to the root of the project. */
export const runElsewhere = (script: string, args: ReadonlyArray<string>): Promise<string> => {
  const command = fileURLToPath(new URL(`node_modules/.bin/${isDeno ? "node" : "deno"}`, root))
  const options = isDeno ? ["--conditions=dstreams-source"] : ["run", "-A", "--no-check"]
  return new Promise((resolve, reject) => {
    execFile(command, [...options, script, ...args], { cwd: fileURLToPath(root) }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${script} failed on ${otherRuntime}: ${error.message}\n${stderr}`))
    })
  })
}
