/**
 * The `RDD` namespace: what a function given to `transform` works with, operations on pairs and on order included.
 */
export * from "../RDD.ts"
export * from "./joins.ts"
export * from "./pairs.ts"
export * from "./sort.ts"
