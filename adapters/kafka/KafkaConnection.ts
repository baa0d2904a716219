/**
 * KafkaConnection: where a cluster is and how one comes in. Plain options of the program; secrets are redacted values.
 */
import type { Effect, Redacted } from "effect"
import type { DurationInput } from "../../core/time/Time.ts"

/** How a user is known to the brokers. */
export type Sasl =
  | {
    readonly mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512"
    readonly username: string
    readonly password: Redacted.Redacted
  }
  | {
    readonly mechanism: "OAUTHBEARER"
    /** Asked at each connection, and again before the token ends. */
    readonly token: Effect.Effect<Redacted.Redacted, unknown>
    readonly extensions?: Readonly<Record<string, string>> | undefined
  }

/** The brokers' certificates are verified, unless `verify` is false. PEM. */
export interface Tls {
  readonly ca?: string | undefined
  /** Mutual TLS. */
  readonly certificate?: string | undefined
  readonly key?: Redacted.Redacted | undefined
  /** The name that the certificate is compared with, where it is not the host's. */
  readonly serverName?: string | undefined
  readonly verify?: boolean | undefined
}

export interface KafkaConnection {
  /** `host:port`, one or more, from which the others are found. */
  readonly brokers: string | ReadonlyArray<string>
  /** What brokers' logs call this program. dstreams */
  readonly clientId?: string | undefined
  readonly tls?: boolean | Tls | undefined
  readonly sasl?: Sasl | undefined
  /** 10 seconds */
  readonly connectTimeout?: DurationInput | undefined
  /** How long an answer may take. 30 seconds */
  readonly requestTimeout?: DurationInput | undefined
}
