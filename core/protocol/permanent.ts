/**
 * permanent: errors of which the engine itself knows that trying again changes nothing, for they follow from the program and its
 * records alone. They bear a symbol that no user's error has by chance. Such a task fails its job at once.
 */
export const permanent: unique symbol = Symbol("dstreams/permanent")

/** The error, or what it was caused by, can only come again. */
export const isPermanent = (error: unknown): boolean =>
  typeof error === "object" && error !== null && (permanent in error || ("cause" in error && isMarked(error.cause)))

const isMarked = (cause: unknown): boolean => typeof cause === "object" && cause !== null && permanent in cause
