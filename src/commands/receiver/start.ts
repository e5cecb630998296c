import { hostname } from 'node:os'
import { systemClock } from '../../base/clock.ts'
import { errnoOf, exitCodes, LongshoreError } from '../../base/errors.ts'
import { ensureCa } from '../../receiver/identity/ca.ts'
import { CertificateKeeper } from '../../receiver/identity/certificate-keeper.ts'
import { type DataFolder, openDataFolder } from '../../receiver/identity/data-folder.ts'
import { parseExtraNames } from '../../receiver/identity/server-names.ts'
import { loadTlsFiles } from '../../receiver/identity/tls-files.ts'
import { type Receiver, startReceiver } from '../../receiver/receiver.ts'
import type { TlsFiles } from '../../receiver/server/http2-server.ts'
import { errorFields, jsonLog, type Log, textLog } from '../../telemetry/log.ts'
import { type Command, type CommandContext, readArgs, usageError } from '../command.ts'
import { isLoopback, parseListen } from './listen-address.ts'

export const receiverStartCommand: Command = {
  name: 'receiver start',
  help: `Usage: longshore receiver start [--data DIR] [--listen HOST:PORT] [--name HOST]...
         [--tls-cert FILE --tls-key FILE | --insecure] [--min-free PERCENT] [--store null]

Takes uploads from machines over HTTP/2 and TLS. At its first start it makes a data folder and a CA of
its own. Prints "listening on https://HOST:PORT" on stdout once it accepts connections; logs go to
stderr. SIGTERM and SIGINT let complete uploads be answered, then it ends.

  --data DIR        the data folder; default ./longshore-data
  --listen H:P      default 0.0.0.0:8443; port 0 for any free port
  --name HOST       a further name or address that machines reach this receiver by; may be repeated
  --tls-cert FILE   a certificate of your own (PEM, with its chain), instead of the receiver's
  --tls-key FILE    and its key
  --insecure        cleartext HTTP/2, on a loopback address only
  --min-free PCT    refuse uploads (507) when less of the disk would be free; default 5
  --store null      for benchmarks: hash, answer and THROW AWAY. Needs a data folder of its own

Example: longshore receiver start --data /srv/longshore --name files.example.org
`,
  run: runStart,
}

/** How often the certificate is looked at: addresses of a laptop change, lives end. */
const certificateCheckMs = 60_000

async function runStart(context: CommandContext): Promise<number> {
  const { values } = readArgs(receiverStartCommand, context, {
    data: { type: 'string', default: './longshore-data' },
    listen: { type: 'string', default: '0.0.0.0:8443' },
    name: { type: 'string', multiple: true, default: [] },
    'tls-cert': { type: 'string' },
    'tls-key': { type: 'string' },
    insecure: { type: 'boolean', default: false },
    'min-free': { type: 'string', default: '5' },
    store: { type: 'string', default: 'folder' },
  })
  const { host, port } = parseListen(values.listen)
  const minFreeShare = parsePercent(values['min-free'])
  if (values.store !== 'folder' && values.store !== 'null') {
    throw usageError(receiverStartCommand, '--store takes null, or is left out')
  }
  if ((values['tls-cert'] === undefined) !== (values['tls-key'] === undefined)) {
    throw usageError(receiverStartCommand, '--tls-cert and --tls-key go together')
  }
  if (values.insecure && values['tls-cert'] !== undefined) {
    throw usageError(receiverStartCommand, '--insecure and --tls-cert exclude each other')
  }
  if (values.insecure && !isLoopback(host)) {
    throw new LongshoreError('listen_refused', `--insecure is for loopback only, not for ${host}`, {
      hint: 'Secrets would cross the network in the clear. Use --listen 127.0.0.1:8443, or TLS.',
    })
  }
  const extraNames = parseExtraNames(values.name)
  const { stdout, stderr, shutdown } = context
  const write = (line: string) => stderr.write(line)
  const log = stderr.isTTY === true ? textLog(write) : jsonLog(write)
  const dataFolder = await openDataFolder(values.data, { store: values.store, create: true })
  if (values.store === 'null') log.warn('store_null', 'everything that arrives is THROWN AWAY')
  const holder: { receiver?: Receiver } = {}
  const certificate = await openCertificate(dataFolder, extraNames, values, (tls) => {
    holder.receiver?.useCertificate(tls)
    log.info('certificate_renewed', 'made a new certificate under the same CA')
  })
  const receiver = await startReceiver({
    dataFolder,
    host,
    port,
    tls: certificate.tls,
    minFreeShare,
    log,
    clock: systemClock,
  })
  holder.receiver = receiver
  const scheme = values.insecure ? 'http' : 'https'
  stdout.write(`listening on ${scheme}://${shownHost(host)}:${receiver.port}\n`)
  while (!shutdown.aborted) {
    await systemClock.sleep(certificateCheckMs, shutdown)
    if (!shutdown.aborted) await checkCertificate(certificate, log)
  }
  await receiver.close()
  return exitCodes.done
}

interface OpenCertificate {
  readonly tls: TlsFiles | undefined
  readonly keeper: CertificateKeeper | undefined
}

async function openCertificate(
  dataFolder: DataFolder,
  extraNames: readonly string[],
  values: {
    readonly insecure: boolean
    readonly 'tls-cert'?: string | undefined
    readonly 'tls-key'?: string | undefined
  },
  onRenewed: (tls: TlsFiles) => void,
): Promise<OpenCertificate> {
  if (values.insecure) return { tls: undefined, keeper: undefined }
  const { 'tls-cert': certFile, 'tls-key': keyFile } = values
  if (certFile !== undefined && keyFile !== undefined) {
    const tls = await loadTlsFiles(certFile, keyFile, systemClock.wallMs())
    return { tls, keeper: undefined }
  }
  const { tlsFolder } = dataFolder
  const ca = await ensureCa(tlsFolder)
  const options = { tlsFolder, ca, extraNames, onRenewed }
  const keeper = await CertificateKeeper.open(options, systemClock.wallMs())
  return { tls: keeper.certificate, keeper }
}

async function checkCertificate({ keeper }: OpenCertificate, log: Log): Promise<void> {
  try {
    await keeper?.check(systemClock.wallMs())
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof LongshoreError)) throw error
    log.error('certificate_check_failed', 'the old certificate stays in force', errorFields(error))
  }
}

function parsePercent(text: string): number {
  const percent = Number(text.replace(/%$/, ''))
  if (/^\d+(\.\d+)?%?$/.test(text) && percent < 100) return percent / 100
  throw usageError(
    receiverStartCommand,
    `--min-free: expected 0 to 99, found ${JSON.stringify(text)}`,
  )
}

/** An address that somebody can use: "any address" is none. */
function shownHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return hostname()
  return host.includes(':') ? `[${host}]` : host
}
