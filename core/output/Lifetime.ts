/**
 * Lifetime: the scope of the driver or the executor in which an app's Effects run, for what is opened there at its first use and kept
 * from batch to batch, such as a connection: it is closed when that driver or executor ends. undefined: nobody said, so it stays until the
 * process ends.
 */
import { Context, type Scope } from "effect"

export const Lifetime = Context.Reference<Scope.Scope | undefined>("dstreams/Lifetime", {
  defaultValue: () => undefined
})
