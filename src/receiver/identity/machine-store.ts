import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { statSync } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { type Clock, systemClock } from '../../base/clock.ts'
import { errnoOf, LongshoreError, messageOf } from '../../base/errors.ts'
import { parseBasicCredentials } from './basic-credentials.ts'
import { createFileOnce, syncFolder } from './durable-file.ts'
import { isSystemError, onDataFolder, shown } from './folder-errors.ts'
import { type MachineId, parseMachineId } from './machine-id.ts'
import {
  type DamagedRecordReport,
  encodeMachineRecord,
  type MachineRecord,
  machineFile,
  readMachineRecords,
} from './machine-records.ts'

export interface MachineStoreOptions {
  /** Told once of each machine's file that cannot be used, until it can be again. */
  readonly onDamaged?: DamagedRecordReport
  readonly clock?: Clock
}

/** What may be shown of a machine. */
export interface MachineEntry {
  readonly id: MachineId
  readonly createdAt: string
}

/**
 * A folder's mtime advances in ticks of up to 10 ms: a change in the tick in which the folder was
 * read leaves no trace. So what was read so soon after a change is not relied upon.
 */
const mtimeTickMs = 50

/**
 * The machines a receiver serves, one file each, and the check of their secrets. Files are only ever
 * created and removed, so every change of another process shows in the folder's mtime.
 */
export class MachineStore {
  readonly #folder: string
  readonly #onDamaged: DamagedRecordReport
  readonly #clock: Clock
  /** Compared with where the id is unknown, so that the answer's time does not tell ids. */
  readonly #nobodysHash = randomBytes(32)
  #records = new Map<string, MachineRecord>()
  #mtimeNs = -1n
  #isSettled = false
  #reported = new Set<string>()

  private constructor(folder: string, options: MachineStoreOptions) {
    this.#folder = folder
    this.#onDamaged = options.onDamaged ?? (() => undefined)
    this.#clock = options.clock ?? systemClock
  }

  /** @throws LongshoreError `data_folder_unusable` where the folder cannot be read */
  static async open(folder: string, options: MachineStoreOptions = {}): Promise<MachineStore> {
    const store = new MachineStore(folder, options)
    store.#refresh()
    return store
  }

  /**
   * Makes a machine with a secret of 256 random bits, which is returned here and kept nowhere. On
   * stable storage when this resolves; running receivers accept it at once.
   *
   * @throws LongshoreError `machine_id_invalid`, `machine_exists`, `data_folder_unusable`
   */
  async add(text: string): Promise<{ readonly secret: string }> {
    const id = parseMachineId(text)
    const secret = randomBytes(32).toString('base64url')
    const createdAt = new Date(this.#clock.wallMs()).toISOString()
    const record = encodeMachineRecord({ id, secretSha256: sha256(secret), createdAt })
    const file = machineFile(this.#folder, id)
    const isNew = await onDataFolder(file, () => createFileOnce(file, record, 0o600))
    if (isNew) return { secret }
    throw new LongshoreError('machine_exists', `There is a machine ${id} already.`, {
      hint: `Choose another id. If its secret is lost, make a new one with "longshore receiver machine remove ${id}", then add it again: its data stays.`,
    })
  }

  /**
   * Refuses a machine from now on. What it sent stays.
   *
   * @throws LongshoreError `machine_id_invalid`, `machine_unknown`, `data_folder_unusable`
   */
  async remove(text: string): Promise<void> {
    const id = parseMachineId(text)
    const file = machineFile(this.#folder, id)
    await onDataFolder(file, async () => {
      try {
        await unlink(file)
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw error
        throw new LongshoreError('machine_unknown', `There is no machine ${id}.`, {
          hint: 'See which there are with "longshore receiver machine list".',
        })
      }
      await syncFolder(this.#folder)
    })
  }

  /** All machines by id. Never contains a secret or its hash. */
  list(): MachineEntry[] {
    this.#refresh()
    return [...this.#records.values()]
      .map(({ id, createdAt }) => ({ id, createdAt }))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  /**
   * The machine whose credentials these are (`Authorization: Basic id:secret`), or undefined: answer
   * 401. Normally costs one stat and one SHA-256, whether or not the id is known.
   *
   * @throws LongshoreError `data_folder_unusable` while the machines cannot be read. Answer 503: a
   *   401 would tell a machine with good credentials to stop sending.
   */
  authenticate(authorizationHeader: string | undefined): MachineId | undefined {
    const claimed = parseBasicCredentials(authorizationHeader)
    if (claimed === undefined) return undefined
    this.#refresh()
    const record = this.#records.get(claimed.id)
    const isEqual = timingSafeEqual(
      sha256(claimed.secret),
      record?.secretSha256 ?? this.#nobodysHash,
    )
    return isEqual ? record?.id : undefined
  }

  #refresh(): void {
    try {
      // Looked at before reading: a change while we read then differs at the next look.
      const { mtimeNs } = statSync(this.#folder, { bigint: true })
      if (this.#isSettled && mtimeNs === this.#mtimeNs) return
      this.#isSettled = false
      const readAtMs = this.#clock.wallMs()
      const damaged = new Set<string>()
      this.#records = readMachineRecords(this.#folder, (file, reason) => {
        damaged.add(file)
        if (!this.#reported.has(file)) this.#onDamaged(file, reason)
      })
      this.#reported = damaged
      this.#mtimeNs = mtimeNs
      this.#isSettled = Math.abs(readAtMs - Number(mtimeNs / 1_000_000n)) > mtimeTickMs
    } catch (error) {
      if (!isSystemError(error)) throw error
      throw new LongshoreError(
        'data_folder_unusable',
        `The machines in ${shown(this.#folder)} cannot be read: ${messageOf(error)}.`,
        { hint: 'Check that the folder is there and that this user can read it.', cause: error },
      )
    }
  }
}

function sha256(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}
