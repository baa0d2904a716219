/**
 * SideValue: a value from the world that a batch may use: a refreshed list, a clock, a setting.
 *
 * The driver evaluates it once per batch and records it in the batch plan, encoded by its schema; every process that derives
 * the batch reads the record. Thus no closure ever has to travel, and a batch that is computed again sees the same value.
 */
import type { Effect, Schema } from "effect"

export const TypeId = "~dstreams/SideValue"

export interface SideValue<out A, out E = never, out R = never> {
  readonly [TypeId]: { readonly _A: (_: never) => A }
  readonly effect: Effect.Effect<A, E, R>
  readonly schema: Schema.Codec<any, any>
}

export type AnySideValue = SideValue<any, any, any>

const variance = { _A: (_: never) => _ }

export const make = <A, I, E, R>(effect: Effect.Effect<A, E, R>, schema: Schema.Codec<A, I>): SideValue<A, E, R> => ({
  [TypeId]: variance,
  effect,
  schema
})

export type SideValues = Readonly<Record<string, AnySideValue>>

/** The values of a record of side values, as `transform` sees them. */
export type Values<S extends SideValues> = {
  readonly [K in keyof S]: S[K] extends SideValue<infer A, any, any> ? A : never
}
export type Errors<S extends SideValues> = {
  [K in keyof S]: S[K] extends SideValue<any, infer E, any> ? E : never
}[keyof S]
export type Requirements<S extends SideValues> = {
  [K in keyof S]: S[K] extends SideValue<any, any, infer R> ? R : never
}[keyof S]
