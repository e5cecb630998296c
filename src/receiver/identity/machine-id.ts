import { LongshoreError } from '../../base/errors.ts'
import { shown } from './folder-errors.ts'

/** The name a receiver knows a machine by. Safe as a file name and in `Basic` credentials. */
export type MachineId = string & { readonly __machineId: unique symbol }

/** No dot first: hidden names are the store's own temporaries, and `.` and `..` are no names. */
const pattern = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/

export function isMachineId(text: string): text is MachineId {
  return pattern.test(text)
}

/** @throws LongshoreError `machine_id_invalid` */
export function parseMachineId(text: string): MachineId {
  if (isMachineId(text)) return text
  throw new LongshoreError(
    'machine_id_invalid',
    `${text === '' ? 'An empty id' : `"${shown(text)}"`} cannot be a machine's id.`,
    {
      hint: 'Use 1 to 64 of the characters A-Z a-z 0-9 . _ - with no dot first, for example machine-1.',
    },
  )
}
