/**
 * packedBounds: whether bytes are one MessagePack value as this codec writes it, before they are unpacked: the unpacker makes an array as
 * long as they say, goes as deep as they say, and has more kinds of values than plain data has, so that a few bytes of an enemy's could
 * have it ask for all memory there is, or make what never ends.
 *
 * One pass over the tokens. Each element of an array, a map or a record takes at least a byte, so all counts together are at most the
 * length; an array, map or record lies in at most so many others. What else is wrong the unpacker finds out.
 */
import { Damage } from "./DamagedData.ts"
import { nestingMax } from "./plainData.ts"

/** Levels that an escaped value takes: two for each of its own, and what stands for a text. */
export const escapedNestingMax = 2 * nestingMax + 2

/** Bytes behind the token, of tokens from 0xc0 to 0xdf; lengths and counts included, what they announce left out. */
const fixed = [0, 0, 0, 0, 1, 2, 4, 2, 3, 5, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17, 1, 2, 4, 2, 4, 2, 4]

/** Bytes of the number that says how much follows. */
const announced = [0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4]

const neverUsed = 0xc1
const firstText = 0xd9
const firstList = 0xdc
const firstMap = 0xde
const isList = (token = 0) => (token >= 0x90 && token <= 0x9f) || token === firstList || token === firstList + 1
const isExtension = (token: number) => (token >= 0xc7 && token <= 0xc9) || (token >= shortExtension && token <= 0xd8)
const shortExtension = 0xd4

/** Types of extensions; all that plain data needs. */
const recordType = 0x72
const setType = 0x73
/** undefined, bigints, arrays of numbers, dates. */
const leafTypes: ReadonlySet<number | undefined> = new Set([0x00, 0x42, 0x74, 0xff])

/** Of one message at a time: values still to come of all that is open, and how many values the records of an id have. */
const open = new Uint32Array(escapedNestingMax + 1)
const widths = new Uint8Array(64)

/** Throws a Damage where the bytes cannot be one value, nested so deep at most. */
export const checkPacked = (bytes: Uint8Array, nestedMax: number): void => {
  const { length } = bytes
  let at = 0
  let counts = 0
  let level = 0
  open[0] = 1
  widths.fill(0)
  while (true) {
    while (level >= 0 && open[level] === 0) level--
    if (level < 0) break
    if (at >= length) throw new Damage("it ends before it should")
    open[level]!--
    const token = bytes[at++]!
    let inside = 0
    if (token < 0x40 || token >= 0xe0) continue
    if (token < 0x80) inside = widths[token & 0x3f]!
    else if (token < 0x90) inside = 2 * (token & 0x0f)
    else if (token < 0xa0) inside = token & 0x0f
    else if (token < 0xc0) at += token & 0x1f
    else if (token >= firstList) {
      inside = numberAt(bytes, at, announced[token - 0xc0]!) * (token >= firstMap ? 2 : 1)
      at += fixed[token - 0xc0]!
    } else if (isExtension(token)) {
      const type = bytes[at + announced[token - 0xc0]!]
      if (type === recordType && token === shortExtension) {
        const id = bytes[at + 1]! & 0x3f
        const keys = keysAt(bytes, at + 2)
        at = keys.end
        inside = widths[id] = keys.count
      } else {
        at = behind(bytes, token, at)
        if (type === setType && token === shortExtension && isList(bytes[at])) open[level]!++
        else if (!leafTypes.has(type)) throw new Damage("there is a value that is no plain data")
      }
    } else {
      if (token === neverUsed) throw new Damage("there is a value that is no plain data")
      at = behind(bytes, token, at)
    }
    if (inside === 0) continue
    if ((counts += inside) > length) throw new Damage("it announces more than it holds")
    if (++level > nestedMax) throw new Damage(`it is nested deeper than ${nestedMax} levels`)
    open[level] = inside
  }
  if (at !== length) throw new Damage(at > length ? "it ends before it should" : "it goes on after its end")
}

const numberAt = (bytes: Uint8Array, at: number, size: number): number => {
  let number = 0
  for (let i = 0; i < size; i++) number = number * 256 + (bytes[at + i] ?? 0)
  return number
}

/** Where a value ends that has nothing inside, its token before `at`. */
const behind = (bytes: Uint8Array, token: number, at: number): number =>
  at + fixed[token - 0xc0]! + numberAt(bytes, at, announced[token - 0xc0]!)

/** The names of a record's values: a list of texts. */
const keysAt = (bytes: Uint8Array, from: number): { readonly count: number; readonly end: number } => {
  const list = bytes[from] ?? 0
  const isLong = list === firstList
  if (!isLong && (list < 0x90 || list > 0x9f)) throw new Damage("a record has no names")
  const count = isLong ? numberAt(bytes, from + 1, 2) : list & 0x0f
  if (count > 255) throw new Damage("a record has more names than a record has")
  let end = from + (isLong ? 3 : 1)
  for (let i = 0; i < count; i++) {
    const token = bytes[end++] ?? 0
    if (token >= 0xa0 && token < 0xc0) end += token & 0x1f
    else if (token >= firstText && token < firstList) end = behind(bytes, token, end)
    else throw new Damage("a name of a record is no text")
  }
  return { count, end }
}
