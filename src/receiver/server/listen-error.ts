import { errnoOf, LongshoreError } from '../../base/errors.ts'

/** What a person can do about an address that cannot be listened on. */
export function listenError(error: Error, host: string, port: number): Error {
  const at = `${host}:${port}`
  switch (errnoOf(error)) {
    case 'EADDRINUSE':
      return new LongshoreError('port_in_use', `something else listens on ${at} already`, {
        hint: 'Stop it, or choose another port with --listen.',
        cause: error,
      })
    case 'EACCES':
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'EAI_AGAIN':
    case 'ENOTFOUND':
      return new LongshoreError('listen_refused', `cannot listen on ${at}: ${error.message}`, {
        hint: 'Give --listen an address of this computer and a port above 1023.',
        cause: error,
      })
    default:
      return error
  }
}
