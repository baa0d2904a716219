/**
 * The jars of Apache Kafka, fetched with Maven the first time (about 45 MB) and kept in the user's cache, with two things that make a broker start in under two
 * seconds: a folder of storage that is formatted already, and an archive of loaded classes. Needs Java 17 or later.
 */
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { describeError } from "../../../core/protocol/describeError.ts"
import { properties } from "./properties.ts"

const version = "4.3.0"
const cache = path.join(
  process.env["DSTREAMS_KAFKA_CACHE"] ?? path.join(os.homedir(), ".cache", "dstreams-kafka"),
  version
)
const lib = path.join(cache, "lib-2")
/** Another name, when what is prepared has to be prepared anew. */
const ready = path.join(cache, "ready-2")

export const template = path.join(cache, "template")
export const user = "tester"
/** Of tests, and in the template. */
export const password = "a-secret-of-tests"

/** Neither Java nor Maven is the fault of the tests. */
export class NoKafka extends Error {}

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>kafka-jars</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${version}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${version}</version>
      <exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`

const java = process.env["JAVA_HOME"] === undefined ? "java" : path.join(process.env["JAVA_HOME"], "bin", "java")

const classPath = (): string =>
  fs.readdirSync(lib).filter((name) => name.endsWith(".jar")).sort().map((name) => path.join(lib, name)).join(":")

/** The beginning of a command that runs a program of the jars, such as a consumer. */
export const javaCommand = (mainClass: string): ReadonlyArray<string> => [
  java,
  "-Xmx256m",
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
  "-cp",
  classPath(),
  mainClass
]

export const run = (command: string, parameters: ReadonlyArray<string>, cwd?: string): string => {
  const { error, status, stderr, stdout } = childProcess.spawnSync(command, parameters, { cwd, encoding: "utf8" })
  if (error !== undefined) throw new NoKafka(`${command} cannot be run (${error.message})`)
  if (status !== 0) {
    throw new Error(`${command} ${parameters[0]} ended with ${status}: ${stderr.trim().split("\n").at(-1)}`)
  }
  return stdout + stderr
}

const archive = path.join(cache, "classes.jsa")

/** The command that runs a broker with the settings of a file. */
export const brokerCommand = (
  settings: string,
  options: ReadonlyArray<string> = [`-XX:SharedArchiveFile=${archive}`]
) => [
  java,
  "-server",
  "-Xmx512m",
  "-Xms128m",
  "-XX:+UseSerialGC",
  "-Xshare:auto",
  "-Xlog:disable",
  "-Xlog:all=error:stderr",
  ...options,
  "-Djava.awt.headless=true",
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
  "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
  "-cp",
  classPath(),
  "kafka.Kafka",
  settings
]

/** Throws NoKafka where Java or Maven is missing. */
export const ensureJars = async (
  prepare: (directory: string, archiveOption: string) => Promise<void>
): Promise<void> => {
  if (fs.existsSync(ready)) return
  const found = /version "(\d+)/.exec(run(java, ["-version"]))?.[1]
  if (found !== undefined && Number(found) < 17) throw new NoKafka(`Java 17 or later is needed, not ${found}`)
  await locked(async () => {
    if (fs.existsSync(ready)) return
    fetchJars()
    const directory = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), "dstreams-kafka-prepare-"))
    try {
      formatTemplate(directory)
      await prepare(directory, `-XX:ArchiveClassesAtExit=${archive}`)
      fs.writeFileSync(ready, "")
    } finally {
      fs.rmSync(directory, { recursive: true, force: true })
    }
  })
}

const fetchJars = (): void => {
  if (fs.existsSync(lib)) return
  const partial = fs.mkdtempSync(`${cache}-partial-`)
  const pomFile = path.join(partial, "pom.xml")
  fs.writeFileSync(pomFile, pom)
  const goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
  try {
    run("mvn", [
      "-q",
      "-B",
      "-f",
      pomFile,
      goal,
      `-DoutputDirectory=${path.join(partial, "lib")}`,
      "-DincludeScope=runtime"
    ])
    fs.mkdirSync(cache, { recursive: true })
    fs.renameSync(path.join(partial, "lib"), lib)
  } catch (error) {
    throw new NoKafka(`the jars cannot be fetched (${describeError(error)})`)
  } finally {
    fs.rmSync(partial, { recursive: true, force: true })
  }
}

const formatTemplate = (directory: string): void => {
  const settings = path.join(directory, "server.properties")
  fs.writeFileSync(settings, properties({ directory, port: 9092, controllerPort: 9093, more: {} }))
  const users = ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((mechanism) => [
    "--add-scram",
    `${mechanism}=[name=${user},password=${password}]`
  ])
  const id = "dstreams-of-tests-xxxA"
  run(java, ["-cp", classPath(), "kafka.tools.StorageTool", "format", "-t", id, "-c", settings, ...users])
  fs.rmSync(template, { recursive: true, force: true })
  fs.cpSync(path.join(directory, "data"), template, { recursive: true })
}

/** One process at a time; one that has died is not waited for. */
const locked = async (work: () => Promise<void>): Promise<void> => {
  const lock = `${cache}.lock`
  const owner = path.join(lock, "pid")
  fs.mkdirSync(path.dirname(lock), { recursive: true })
  while (true) {
    try {
      fs.mkdirSync(lock)
      break
    } catch {
      if (isLeft(owner)) fs.rmSync(lock, { recursive: true, force: true })
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
  fs.writeFileSync(owner, String(process.pid))
  try {
    await work()
  } finally {
    fs.rmSync(lock, { recursive: true, force: true })
  }
}

const isLeft = (owner: string): boolean => {
  try {
    process.kill(Number(fs.readFileSync(owner, "utf8")), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH"
  }
}
