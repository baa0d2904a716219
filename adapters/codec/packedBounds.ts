/**
 * packedBounds: whether the counts in a MessagePack message can be true, before it is unpacked: the decoder makes an array as long as the
 * message says, so that a few bytes of an enemy's could have it ask for all memory there is.
 *
 * One pass over the tokens, without their structure: each element of an array or a map takes at least a byte, so all counts together are
 * at most the message's length. What else is wrong with a message the decoder finds out.
 */

/** Bytes behind the token, of tokens from 0xc0 to 0xdf; lengths and counts included, what they announce left out. */
const fixed = [0, 0, 0, 0, 1, 2, 4, 2, 3, 5, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17, 1, 2, 4, 2, 4, 2, 4]

/** Bytes of the number that says how much follows. */
const announced = [0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4]

const firstList = 0xdc
const firstMap = 0xde

/** Throws a RangeError where counts or lengths go beyond the message. */
export const checkCounts = (message: Uint8Array): void => {
  const { length } = message
  let counts = 0
  let at = 0
  while (at < length) {
    const token = message[at++]!
    if (token < 0x80 || token >= 0xe0) continue
    if (token < 0x90) counts += 2 * (token & 0x0f)
    else if (token < 0xa0) counts += token & 0x0f
    else if (token < 0xc0) at += token & 0x1f
    else {
      const bytes = announced[token - 0xc0]!
      let number = 0
      for (let i = 0; i < bytes; i++) number = number * 256 + (message[at + i] ?? 0)
      at += fixed[token - 0xc0]!
      if (token >= firstMap) counts += 2 * number
      else if (token >= firstList) counts += number
      else at += number
    }
    if (counts > length) throw new RangeError("its counts are larger than the message")
  }
  if (at > length) throw new RangeError("the message ends before its data")
}
