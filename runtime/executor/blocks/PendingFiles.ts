/**
 * PendingFiles: in which files of a receiver's log blocks may be that the driver does not know of. It says so with each block that is
 * reported (`logFrom`), and only grows: files are named in order, and what is appended later is in the same file or in a later one.
 */
import type { BlockId } from "../../../core/blocks/ReceivedBlock.ts"

export class PendingFiles {
  /** By block: it is in this file or in a later one; undefined: in any. */
  private readonly files = new Map<BlockId, string | undefined>()
  private newest: string | undefined

  begin(block: BlockId): void {
    this.files.set(block, this.newest)
  }

  placed(block: BlockId, file: string): void {
    this.files.set(block, file)
    if (this.newest === undefined || file > this.newest) this.newest = file
  }

  end(block: BlockId): void {
    this.files.delete(block)
  }

  /** The first file that may hold such a block; undefined: any may. */
  from(): string | undefined {
    let first = this.newest
    for (const file of this.files.values()) {
      if (file === undefined) return undefined
      if (first === undefined || file < first) first = file
    }
    return first
  }
}
