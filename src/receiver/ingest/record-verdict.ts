import type { Outcome } from '../../wire/outcome.ts'
import type { Verdict } from './verdict.ts'

/** Offsets that counted from the message's first byte count from the record's. */
export function verdictInRecord(verdict: Verdict, headBytes: number): Verdict {
  const files = verdict.files.map((entry) => ({ ...entry, offset: entry.offset + headBytes }))
  return { ...verdict, files }
}

export function asAlreadyStored(outcome: Outcome): Outcome {
  return outcome.status === 'stored' ? { ...outcome, status: 'already_stored' } : outcome
}
