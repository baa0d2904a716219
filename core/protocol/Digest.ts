/**
 * Digest: a short hash of text, the same in every process and on every platform. For comparing, not for secrecy.
 */

/** 64 bits of `text` as 16 hexadecimal digits: two FNV-1a lanes over its UTF-16 code units. */
export const digest = (text: string): string => {
  let a = 0x811c9dc5
  let b = 0x9e3779b9
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    a = Math.imul(a ^ unit, 0x01000193)
    b = Math.imul(b ^ unit, 0x85ebca6b) + i | 0
  }
  return hex(a) + hex(b ^ (a >>> 15))
}

const hex = (lane: number) => (lane >>> 0).toString(16).padStart(8, "0")
