/**
 * BodyFormat: what the bodies of requests are made of: lines of text, or JSON that a schema decodes. A body is looked at whole
 * before anything of it is stored; what is wrong with it is told to the client in a sentence, with the line or the index.
 */
import { Buffer, isUtf8 } from "node:buffer"
import { type Effect, Result, Schema } from "effect"
import type { Store, StoreError } from "../../core/receiving/Receiver.ts"
import { describeError } from "../../core/protocol/describeError.ts"
import { refusal } from "../codec/plainData.ts"

export interface BodyFormat<A, Body> {
  /** The contents of a body, or what is wrong with it. */
  readonly parse: (bytes: Buffer, contentType: string) => Result.Result<Body, string>
  readonly records: (body: Body) => number
  /** Bodies as one block; returns when it is safe. */
  readonly store: (bodies: ReadonlyArray<Body>, store: Store<A>) => Effect.Effect<void, StoreError>
}

const newline = 10
const byteOrderMark = Buffer.from("\uFEFF")

/** A byte order mark at the beginning says how to read, and is nothing to read. */
const withoutMark = (body: Buffer): Buffer =>
  body.subarray(0, byteOrderMark.byteLength).equals(byteOrderMark) ? body.subarray(byteOrderMark.byteLength) : body

interface Text {
  /** Complete lines. */
  readonly bytes: Buffer
  readonly lines: number
}

/** Lines stay bytes until their block is read. */
export const text: BodyFormat<string, Text> = {
  parse: (body) => {
    if (!isUtf8(body)) return Result.fail("The body is not UTF-8")
    const bytes = withoutMark(body)
    const ended = bytes.byteLength === 0 || bytes[bytes.byteLength - 1] === newline
      ? bytes
      : Buffer.concat([bytes, Buffer.of(newline)])
    let lines = 0
    for (let at = ended.indexOf(newline); at !== -1; at = ended.indexOf(newline, at + 1)) lines++
    return Result.succeed({ bytes: ended, lines })
  },
  records: ({ lines }) => lines,
  store: (bodies, store) => {
    const bytes = new Uint8Array(bodies.reduce((sum, { bytes }) => sum + bytes.byteLength, 0))
    let at = 0
    for (const body of bodies) {
      bytes.set(body.bytes, at)
      at += body.bytes.byteLength
    }
    return store.bytes(bytes, bodies.reduce((sum, { lines }) => sum + lines, 0))
  }
}

/** One value, an array of values, or a value a line. Records that the schema refuses refuse the whole body. */
export const json = <A>(schema: Schema.ConstraintDecoder<A>): BodyFormat<A, ReadonlyArray<A>> => {
  const decode = Schema.decodeUnknownResult(schema)
  return {
    parse: (bytes, contentType) => {
      if (!isUtf8(bytes)) return Result.fail("The body is not UTF-8")
      const found = valuesOf(withoutMark(bytes).toString("utf8"), contentType)
      if (Result.isFailure(found)) return Result.fail(found.failure)
      const records: Array<A> = []
      for (const { value, where } of found.success) {
        const record = decode(value)
        if (Result.isFailure(record)) {
          return Result.fail(`The value at ${where} is not of this stream's schema: ${oneLine(record.failure)}`)
        }
        const unfit = refusal(record.success)
        if (unfit !== undefined) return Result.fail(`The value at ${where} cannot be a record: ${unfit.message}`)
        records.push(record.success as A)
      }
      return Result.succeed(records)
    },
    records: (body) => body.length,
    store: (bodies, store) => store.array(bodies.flat(1) as ReadonlyArray<A>)
  }
}

interface Value {
  readonly value: unknown
  readonly where: string
}

const isJsonLines = (contentType: string) => /ndjson|jsonl|json-lines|json-seq/i.test(contentType)

const valuesOf = (body: string, contentType: string): Result.Result<ReadonlyArray<Value>, string> => {
  if (isJsonLines(contentType)) return linesOf(body)
  const whole = parsed(body)
  if (Result.isSuccess(whole)) {
    const value = whole.success
    return Result.succeed(
      Array.isArray(value)
        ? value.map((one, index) => ({ value: one, where: `index ${index}` }))
        : [{ value, where: "the top" }]
    )
  }
  const lines = body.split("\n").filter((line) => line.trim() !== "")
  const isOnePerLine = lines.length > 1 && Result.isSuccess(parsed(lines[0]!))
  return isOnePerLine ? linesOf(body) : Result.fail(`The body is not JSON: ${whole.failure}`)
}

const linesOf = (body: string): Result.Result<ReadonlyArray<Value>, string> => {
  const values: Array<Value> = []
  for (const [index, line] of body.split("\n").entries()) {
    if (line.trim() === "") continue
    const value = parsed(line)
    if (Result.isFailure(value)) return Result.fail(`Line ${index + 1} of the body is not JSON: ${value.failure}`)
    values.push({ value: value.success, where: `line ${index + 1}` })
  }
  return Result.succeed(values)
}

const parsed = (json: string): Result.Result<unknown, string> =>
  Result.try({ try: () => JSON.parse(json) as unknown, catch: (error) => oneLine(error) })

const oneLine = (error: unknown): string =>
  (error instanceof Error ? error.message : describeError(error)).replaceAll(/\s*\n\s*/g, " ")
