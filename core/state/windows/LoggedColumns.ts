/**
 * LoggedColumns: what belongs to slots, in columns that remember what a step changed, so that it can be taken back. A column of
 * values, a column of numbers with several fields per slot, and rows of small integers.
 *
 * Values and numbers log each change, and are put back last change first. A row is logged as a whole before its first change in a
 * step (`touch`); the log of the step is thus also the list of the slots that it touched. Between steps the logs are empty.
 */
import { ascending, grownIntegers, grownNumbers } from "./slotColumns.ts"

export class LoggedValues {
  readonly values: Array<unknown> = []
  private logged = 0
  private slotsLogged: Int32Array = new Int32Array(0)
  private readonly before: Array<unknown> = []

  set(slot: number, value: unknown): void {
    const at = this.logged++
    if (at === this.slotsLogged.length) this.slotsLogged = grownIntegers(this.slotsLogged, at + 1)
    this.slotsLogged[at] = slot
    this.before[at] = this.values[slot]
    this.values[slot] = value
  }

  commit(): void {
    // Filled rather than cut off, so that it need not grow again in each step; old values are not held.
    this.before.fill(0, 0, this.logged)
    this.logged = 0
  }

  rollback(): void {
    for (let i = this.logged - 1; i >= 0; i--) this.values[this.slotsLogged[i]!] = this.before[i]
    this.commit()
  }
}

export class LoggedNumbers {
  numbers: Float64Array = new Float64Array(0)
  private logged = 0
  private placesLogged: Int32Array = new Int32Array(0)
  private before: Float64Array = new Float64Array(0)

  set(place: number, value: number): void {
    const at = this.logged++
    if (at === this.placesLogged.length) {
      this.placesLogged = grownIntegers(this.placesLogged, at + 1)
      this.before = grownNumbers(this.before, at + 1)
    }
    this.placesLogged[at] = place
    this.before[at] = this.numbers[place]!
    this.numbers[place] = value
  }

  commit(): void {
    this.logged = 0
  }

  rollback(): void {
    for (let i = this.logged - 1; i >= 0; i--) this.numbers[this.placesLogged[i]!] = this.before[i]!
    this.commit()
  }
}

export class LoggedRows {
  rows: Int32Array = new Int32Array(0)
  /** Per entry of the log the slot, then the first fields of its row as they were. */
  rowsBefore: Int32Array = new Int32Array(0)
  private readonly length: number
  private readonly loggedFields: number
  private logged = 0

  /** Of `length` fields per slot the first `loggedFields` are put back; the field after them says where in the log the row is. */
  constructor(length: number, loggedFields: number) {
    this.length = length
    this.loggedFields = loggedFields
  }

  /** Before the first change of a row in a step. Says whether it was. */
  touch(slot: number): boolean {
    const { logged, loggedFields, rows } = this
    const row = slot * this.length
    const at = rows[row + loggedFields]!
    if (at < logged && this.rowsBefore[at * (1 + loggedFields)] === slot) return false
    const to = logged * (1 + loggedFields)
    if (to + loggedFields >= this.rowsBefore.length) {
      this.rowsBefore = grownIntegers(this.rowsBefore, to + 1 + loggedFields)
    }
    const { rowsBefore } = this
    rowsBefore[to] = slot
    for (let field = 0; field < loggedFields; field++) rowsBefore[to + 1 + field] = rows[row + field]!
    rows[row + loggedFields] = logged
    this.logged = logged + 1
    return true
  }

  /** The slots that this step touched, ascending; all are below `slots`. */
  touched(slots: number): Int32Array {
    const list = new Int32Array(this.logged)
    for (let i = 0; i < list.length; i++) list[i] = this.rowsBefore[i * (1 + this.loggedFields)]!
    return ascending(list, slots)
  }

  commit(): void {
    this.logged = 0
  }

  rollback(): void {
    const { loggedFields, rows, rowsBefore } = this
    for (let i = 0; i < this.logged; i++) {
      const from = i * (1 + loggedFields)
      const row = rowsBefore[from]! * this.length
      for (let field = 0; field < loggedFields; field++) rows[row + field] = rowsBefore[from + 1 + field]!
    }
    this.commit()
  }
}
