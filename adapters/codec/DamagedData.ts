/**
 * DamagedData: bytes that are no encoded data, or not all of it: what is wrong, in words for people, and in which byte.
 */
export class DamagedData extends Error {
  override readonly name = "DamagedData"

  static at(offset: number, length: number, reason: string, cause: unknown): DamagedData {
    return new DamagedData(`the data is damaged at byte ${offset} of ${length}: ${reason}`, { cause })
  }
}

/** What is wrong with a part of the data; whoever knows where it is turns it into DamagedData. */
export class Damage extends Error {}
