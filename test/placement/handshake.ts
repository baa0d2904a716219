/**
 * What executors of a program without operators are told at their start.
 */
import { resolve } from "../../core/settings/Settings.ts"
import type { Handshake } from "../../core/protocol/ExecutorProtocol.ts"

export const handshake: Handshake = {
  appName: "test",
  epoch: 1,
  batchMillis: 1000,
  settings: resolve([], { batchMillis: 1000, executors: 1 }),
  config: {},
  manifest: { app: "test", batchMillis: 1000, operators: [], outputs: [] },
  codeFingerprint: "c"
}
