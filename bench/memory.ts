/**
 * The memory of this process, all its threads, as the system counts it.
 */
import * as fs from "node:fs"
import * as process from "node:process"

const mebi = (bytes: number): number => Math.round(bytes / 1048576)

export const rssMiB = (): number => mebi(process.memoryUsage.rss())

/** The most there ever was, between two looks too. */
export const peakRssMiB = (): number => mebi((linuxPeakKiB() ?? process.resourceUsage().maxRSS) * 1024)

/** Of this program alone: `maxRSS` of Linux outlives exec, so a child's is at least what its parent had. */
const linuxPeakKiB = (): number | undefined => {
  try {
    const found = /^VmHWM:\s*(\d+) kB$/m.exec(fs.readFileSync("/proc/self/status", "utf8"))
    return found === null ? undefined : Number(found[1])
  } catch {
    return undefined
  }
}
