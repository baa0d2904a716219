/**
 * postgresFailure: what an error of `@effect/sql-pg` means here. Of it nothing is kept but what the server said and its code: the
 * errors of drivers bear what they were given, a URL with its password among it.
 */
import { type FailureReason, StatementFailed } from "./SqlTarget.ts"

/** By the SQLSTATE, or its first two characters: its class. */
const reasons: ReadonlyMap<string, FailureReason> = new Map([
  ["08", "Unavailable"],
  ["53300", "Unavailable"],
  ["57P01", "Unavailable"],
  ["57P02", "Unavailable"],
  ["57P03", "Unavailable"],
  ["57P05", "Unavailable"],
  ["25P03", "Unavailable"],
  ["40", "Busy"],
  ["55P03", "Busy"],
  ["57014", "Busy"],
  ["28", "Refused"],
  ["42501", "Refused"],
  ["25006", "Refused"],
  ["3D000", "MissingTable"],
  ["3F000", "MissingTable"],
  ["42P01", "MissingTable"],
  ["42703", "Columns"],
  ["42601", "Other"],
  ["42P10", "Columns"],
  ["42804", "Value"],
  ["23", "Constraint"],
  ["22", "Value"],
  ["21000", "SameKey"],
  ["53100", "Full"]
])

/** `SqlError` of Effect, whose reason bears what the server or the system said. */
interface DriversError {
  readonly reason?: { readonly _tag?: string; readonly message?: string; readonly cause?: unknown }
}

export const failureOf = (error: unknown): StatementFailed => {
  const { reason } = error as DriversError
  const { code, message } = (reason?.cause ?? {}) as { readonly code?: unknown; readonly message?: unknown }
  const said = String(reason?.message ?? "").replace(/^PgConnection: /, "")
  if (typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && !code.startsWith("E")) {
    const known = reasons.get(code) ?? reasons.get(code.slice(0, 2))
    return new StatementFailed({
      reason: columnsOr(known, code, String(message)),
      message: `${message} (SQLSTATE ${code})`
    })
  }
  const system = typeof code === "string" ? ` (${code})` : ""
  if (reason?._tag === "AuthenticationError") return new StatementFailed({ reason: "Refused", message: said })
  if (reason?._tag !== "ConnectionError") {
    return new StatementFailed({
      reason: "Other",
      message: `${said || "an unknown error"}: ${message ?? "without a word"}`
    })
  }
  // What comes before any connection is made follows from the options alone.
  const isMistake = /URL|startup parameter|username|keepAlive/i.test(said)
  return new StatementFailed({ reason: isMistake ? "Other" : "Unavailable", message: `${said}${system}` })
}

/** A wrong number of values is a mistake of syntax to the server. */
const columnsOr = (known: FailureReason | undefined, code: string, message: string): FailureReason =>
  code === "42601" && /INSERT has (more|fewer|less)/.test(message) ? "Columns" : known ?? "Other"
