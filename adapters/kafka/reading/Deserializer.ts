/**
 * Deserializer: how keys and values become what programs see: the bytes as they are, text, JSON, a schema's values, or a function's.
 *
 * The record codec reads a part as bytes or as text (much faster than decoding bytes one record at a time); `decode` makes of that what
 * the record holds. null, a key that is not there or a tombstone, stays null and is never decoded. What throws is a poison record.
 */
import { Predicate, Schema } from "effect"
import type { PartFormat } from "../records/decode.ts"

export interface Deserializer<out A> {
  readonly reads: PartFormat
  /** Throws where it cannot; undefined: what was read is what is given. */
  readonly decode: ((read: any) => A) | undefined
}

/** A deserializer, or a function that makes a value of the bytes, which are its own. */
export type DeserializerInput<A> = Deserializer<A> | ((bytes: Uint8Array) => A)

export const bytes: Deserializer<Uint8Array> = { reads: "bytes", decode: undefined }

/** UTF-8; a record that holds anything else is poison. */
export const text: Deserializer<string> = { reads: "text", decode: undefined }

/** Any JSON, unchecked: what it holds is for the program to find out. */
export const unknownJson: Deserializer<unknown> = { reads: "text", decode: JSON.parse }

/** JSON of a schema. What it gives has to be plain data, as all records that travel. */
export const json = <A>(schema: Schema.ConstraintDecoder<A>): Deserializer<A> => ({
  reads: "text",
  decode: Schema.decodeUnknownSync(Schema.fromJsonString(schema))
})

/** Of what the schema decodes from: bytes, such as `Schema.Uint8Array` or a codec of `effect/encoding`. */
export const schema = <A>(schema: Schema.ConstraintDecoder<A>): Deserializer<A> => ({
  reads: "bytes",
  decode: Schema.decodeUnknownSync(schema)
})

export const fromInput = <A>(input: DeserializerInput<A>): Deserializer<A> =>
  typeof input === "function" ? { reads: "bytes", decode: input } : input

/** Of those that are made of a schema, the makers are none. */
export const isDeserializer = (value: unknown): boolean =>
  (typeof value === "function" && value !== json && value !== schema) ||
  (Predicate.hasProperty(value, "reads") && (value.reads === "bytes" || value.reads === "text"))
