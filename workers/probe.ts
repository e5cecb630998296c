import { protocolVersion } from '../src/wire/limits.ts'
import type { TransferFailure } from '../src/wire/transfer-failure.ts'
import type { ReceiverDescription } from '../src/wire/worker-data.ts'
import type { Lane } from './lane.ts'

/** Asks the receiver who it is and whom it takes us for. Never rejects. */
export async function probe(lane: Lane): Promise<ReceiverDescription | TransferFailure> {
  const answer = await lane.send({ method: 'GET', path: '/v1/machine', headers: {}, body: null })
  if ('kind' in answer) return answer
  try {
    const json = JSON.parse(answer.body.toString('utf8')) as Record<string, unknown>
    const { machine, receiver, protocol, store, free_bytes, total_bytes } = json
    if (typeof machine !== 'string' || typeof protocol !== 'number') throw new SyntaxError()
    if (protocol !== protocolVersion) {
      const detail = `the receiver speaks version ${protocol} of the protocol, this is ${protocolVersion}`
      return { kind: 'incompatible', detail }
    }
    return {
      machine,
      receiver: String(receiver),
      protocol,
      store: String(store),
      freeBytes: Number(free_bytes),
      totalBytes: Number(total_bytes),
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return { kind: 'incompatible', detail: 'what answers there is no Longshore receiver' }
  }
}
