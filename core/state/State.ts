/**
 * State: the handle by which the function of `mapWithState` sees and changes the state of the key at work.
 *
 * | call | unset | set | timing out | after `remove` |
 * | --- | --- | --- | --- | --- |
 * | exists | false | true | true | false |
 * | get | throws | the state | the state | throws |
 * | update | sets it | sets it | throws | throws |
 * | remove | nothing to remove | removes it | throws | throws |
 *
 * There is one handle, wrapped around the state of one key after the other: it must not be kept beyond the call. Source: Spark's
 * `State` and `StateImpl`.
 */
import { Option, Schema } from "effect"
import { permanent } from "../protocol/permanent.ts"

/** A state was asked for, or to do, what it cannot. */
export class InvalidStateUse extends Schema.TaggedError<InvalidStateUse>()("InvalidStateUse", {
  call: Schema.Literals(["get", "update", "remove"]),
  message: Schema.String
}) {
  get [permanent]() {
    return true
  }
}

export interface State<in out S> {
  readonly exists: () => boolean
  /** The state. Throws `InvalidStateUse` where there is none. */
  readonly get: () => S
  readonly getOption: () => Option.Option<S>
  readonly getOrUndefined: () => S | undefined
  /** Sets the state, to a new value and not to the old one changed. Throws `InvalidStateUse` if it is removed or timing out. */
  readonly update: (state: S) => void
  /** The key is forgotten. Throws `InvalidStateUse` if it is removed already or timing out. */
  readonly remove: () => void
  /** The key got no value for longer than the timeout, and is forgotten after this call. */
  readonly isTimingOut: () => boolean
}

export class StateHandle<in out S> implements State<S> {
  private state: S | undefined
  private isSet = false
  private isDue = false
  isUpdated = false
  isRemoved = false

  exists(): boolean {
    return this.isSet
  }

  get(): S {
    if (this.isSet) return this.state as S
    throw new InvalidStateUse({
      call: "get",
      message: "The state of this key is not set, so it cannot be read: ask exists() first, or take getOrUndefined()"
    })
  }

  getOption(): Option.Option<S> {
    return this.isSet ? Option.some(this.state as S) : Option.none()
  }

  getOrUndefined(): S | undefined {
    return this.state
  }

  update(state: S): void {
    this.refuse("update")
    this.state = state
    this.isSet = true
    this.isUpdated = true
  }

  remove(): void {
    this.refuse("remove")
    this.state = undefined
    this.isSet = false
    this.isUpdated = false
    this.isRemoved = true
  }

  isTimingOut(): boolean {
    return this.isDue
  }

  toString(): string {
    return this.isSet ? String(this.state) : "<state not set>"
  }

  /** Around the state of the next key. */
  wrap(isSet: boolean, state: S | undefined, isDue = false): void {
    this.state = state
    this.isSet = isSet
    this.isDue = isDue
    this.isUpdated = false
    this.isRemoved = false
  }

  private refuse(call: "update" | "remove"): void {
    if (!this.isRemoved && !this.isDue) return
    throw new InvalidStateUse({
      call,
      message: this.isRemoved
        ? `The state of this key has been removed, so it cannot be ${call}d any more: call remove() last`
        : `The state of this key is timing out, so it cannot be ${call}d: ask isTimingOut() first`
    })
  }
}
