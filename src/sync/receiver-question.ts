import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { TransferFailure } from '../wire/transfer-failure.ts'
import type { Transport } from './transport.ts'

/** Longer than a connection takes to be given up; beyond it, what carries a question hangs itself. */
export const patienceMs = 90_000

/** Asks the receiver who it is: whatever goes wrong with that is no file's fault. Never rejects. */
export async function failureOfAsking(
  transport: Pick<Transport, 'probe'>,
  clock: Clock,
): Promise<TransferFailure | undefined> {
  const answered = new AbortController()
  const tooLate = clock.sleep(patienceMs, answered.signal).then((): TransferFailure => {
    return { kind: 'stalled', detail: 'a question to the receiver came to no end' }
  })
  try {
    const answer = await Promise.race([transport.probe(), tooLate])
    return 'kind' in answer ? answer : undefined
  } catch (error) {
    return { kind: 'fault_here', detail: `a worker thread ended: ${messageOf(error)}` }
  } finally {
    answered.abort()
  }
}
