import type { StatementSync } from 'node:sqlite'

/** Ids of folders and labels are remembered up to this many, then forgotten all at once. */
export const rememberedIds = 50_000
/** A machine may send paths of 4 KiB. */
const rememberedChars = 16 * 1024 * 1024

type SqlValue = string | number | bigint | Buffer

/** Rows that are looked up by a key and made when they are missing, with their ids remembered. */
export class IdTable {
  readonly #ids = new Map<string, number | bigint>()
  #chars = 0
  readonly #select: StatementSync
  readonly #insert: StatementSync

  constructor(select: StatementSync, insert: StatementSync) {
    this.#select = select
    this.#insert = insert
  }

  idOf(
    key: string,
    values: SqlValue[] | (() => SqlValue[]),
    make: boolean,
  ): number | bigint | undefined {
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    const bound = typeof values === 'function' ? values() : values
    const row = this.#select.get(...bound) ?? (make ? this.#insert.get(...bound) : undefined)
    if (row === undefined) return undefined
    const id = row.id as number | bigint
    if (this.#ids.size >= rememberedIds || this.#chars >= rememberedChars) this.forget()
    this.#ids.set(key, id)
    this.#chars += key.length
    return id
  }

  forget(): void {
    this.#ids.clear()
    this.#chars = 0
  }
}
