/**
 * usage: how `npm run simulate` and `npm run mutants` answer `--help` (exit code 0) and a wrong command line (2): with a line and the usage.
 */
export const orUsage = <A>(args: ReadonlyArray<string>, usage: string, read: () => A): A => {
  if (args.includes("--help")) {
    console.log(usage)
    process.exit(0)
  }
  try {
    return read()
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`)
    process.exit(2)
  }
}
