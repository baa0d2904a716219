#!/usr/bin/env node
/**
 * The `dstreams` command's first step: an older Node is told so, before it reads what it would not understand.
 *
 * Nothing is imported here but when the version is right; `command.ts` is the command. What was compiled of it before need not be
 * compiled again. Threads that it will ask for load beside it: what `--master` says is only guessed at here, and a wrong guess costs
 * time, no more.
 */
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)

// As in package.json's engines; a test compares them.
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`dstreams needs Node 22.19 or later, this is ${process.versions.node}\n`)
  process.exit(2)
}

const { useCompileCache } = await import("../threads/compileCache.ts")
useCompileCache()
const { watchThreads } = await import("./process/endProcess.ts")
watchThreads()
const [, asked] = /^run .*--master[ =]local\[(\d+|\*)\]/.exec(process.argv.slice(2).join(" ")) ?? []
if (asked !== undefined) {
  const [{ availableParallelism }, { startEarly }] = await Promise.all([
    import("node:os"),
    import("../threads/startThread.ts")
  ])
  const threads = Math.min(asked === "*" ? Infinity : Number(asked), availableParallelism())
  for (let i = 1; i <= threads; i++) startEarly(`executor-${i}`)
}
const { main } = await import("./command.ts")
await main(process.argv.slice(2))

export {}
