/**
 * The settings of a single broker for tests: it is its own controller, every internal topic has one replica and few partitions, so that transactions and
 * groups work at once, and nothing is made or deleted by itself.
 */
import * as path from "node:path"

export interface Secured {
  /** TLS and SASL. */
  readonly saslPort: number
  /** TLS, and clients need a certificate. */
  readonly mutualPort: number
  readonly user: string
  readonly password: string
}

export interface BrokerSettings {
  readonly directory: string
  readonly port: number
  readonly controllerPort: number
  readonly secured?: Secured | undefined
  /** Further settings, or others for these. */
  readonly more: Readonly<Record<string, string>>
}

export const properties = ({ controllerPort, directory, more, port, secured }: BrokerSettings): string => {
  const listeners = [`PLAINTEXT://127.0.0.1:${port}`, ...securedListeners(secured)].join(",")
  const settings: Record<string, string> = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": `1@127.0.0.1:${controllerPort}`,
    listeners: `${listeners},CONTROLLER://127.0.0.1:${controllerPort}`,
    "advertised.listeners": listeners,
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_SSL,MUTUAL:SSL",
    "inter.broker.listener.name": "PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "log.dirs": path.join(directory, "data"),
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    "auto.create.topics.enable": "false",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "group.coordinator.threads": "1",
    "log.cleaner.dedupe.buffer.size": "8388608",
    "log.segment.delete.delay.ms": "1000",
    "log.retention.ms": "-1",
    "message.max.bytes": "8388608",
    ...(secured === undefined ? {} : securedSettings(directory, secured)),
    ...more
  }
  return Object.entries(settings).map(([key, value]) => `${key}=${value}\n`).join("")
}

const securedListeners = (secured: Secured | undefined): ReadonlyArray<string> =>
  secured === undefined ? [] : [`SASL://127.0.0.1:${secured.saslPort}`, `MUTUAL://127.0.0.1:${secured.mutualPort}`]

const login = (module: string, options = "") => `org.apache.kafka.common.security.${module} required${options};`

const securedSettings = (directory: string, { password, user }: Secured): Record<string, string> => ({
  "ssl.keystore.type": "PEM",
  "ssl.keystore.location": path.join(directory, "tls", "server.pem"),
  "ssl.truststore.type": "PEM",
  "ssl.truststore.location": path.join(directory, "tls", "ca.pem"),
  "listener.name.mutual.ssl.client.auth": "required",
  "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
  "listener.name.sasl.plain.sasl.jaas.config": login("plain.PlainLoginModule", ` user_${user}="${password}"`),
  "listener.name.sasl.scram-sha-256.sasl.jaas.config": login("scram.ScramLoginModule"),
  "listener.name.sasl.scram-sha-512.sasl.jaas.config": login("scram.ScramLoginModule"),
  "listener.name.sasl.oauthbearer.sasl.jaas.config": login(
    "oauthbearer.OAuthBearerLoginModule",
    ` unsecuredLoginStringClaim_sub="broker"`
  )
})
