/**
 * The memory of this process, all its threads, as the system counts it.
 */
import * as process from "node:process"

const mebi = (bytes: number): number => Math.round(bytes / 1048576)

export const rssMiB = (): number => mebi(process.memoryUsage.rss())

/** The most there ever was, between two looks too. */
export const peakRssMiB = (): number => mebi(process.resourceUsage().maxRSS * 1024)
