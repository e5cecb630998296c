import { FaultyLink } from '../test/support/faulty-link.ts'
import { type Contender, compare, ratioOf, type Series } from './support/compare.ts'
import { CurlRounds } from './support/curl-rounds.ts'
import { bytesPerFile } from './support/device-tree.ts'
import { LongshoreRounds } from './support/longshore-rounds.ts'
import { findNginx, Nginx, type NginxPlaces } from './support/nginx.ts'
import type { BenchContext, Findings, Question } from './support/question.ts'
import { Receiver } from './support/receiver.ts'
import { speedTable, spreadText, usageTable } from './support/report.ts'
import { TempFolder } from './support/temp-folder.ts'

/**
 * How fast do many small files get off the device? Ours: read, hashed, verified, durable at the
 * receiver, in its catalog, removed here. Against it curl and nginx, neither of which does any of that.
 */
export const smallFiles: Question = {
  name: 'small-files',
  asks: '20,000 files of 4 KiB over TLS, next to curl -Z --http2 and nginx',
  run,
}

/** What we want to be: this many times as fast as the baseline. */
const budgetRatio = 7

/**
 * The baseline's receiver: workers as many as cores, one connection never closed for its age, bodies in
 * memory until they are written once, no log. nginx writes a temporary file and renames it, unsynced.
 */
function nginxConfig({ port, folder, root, serverFile }: NginxPlaces): string {
  return `daemon off;
worker_processes auto;
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${folder}/nginx.pid;
error_log ${folder}/error.log error;
events {
  worker_connections 4096;
  multi_accept on;
}
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  client_body_buffer_size 64k;
  client_max_body_size 0;
  keepalive_requests 1000000;
  keepalive_timeout 300s;
  http2_max_concurrent_streams 256;
  tcp_nodelay on;
  server {
    listen 127.0.0.1:${port} ssl http2;
    ssl_certificate ${serverFile};
    ssl_certificate_key ${serverFile};
    ssl_protocols TLSv1.3;
    root ${root};
    location / {
      dav_methods PUT;
      create_full_put_path on;
    }
  }
}
`
}

/**
 * The baseline's sender, besides a config file with a pair of URL and file for each file. All transfers
 * share one connection. 50 at once are curl's default, and as fast as any other number from 8 on; above
 * 100 it gets slower.
 */
const curlOptions = ['--silent', '--show-error', '--fail', '--http2', '--parallel']
const curlParallelMax = ['--parallel-max', '50']

async function run(context: BenchContext): Promise<Findings> {
  const count = context.quick ? 2000 : 20_000
  const { longshore, temp, say } = context
  const dataFolder = temp.folder('receiver')
  await using receiver = await Receiver.start({ longshore, dataFolder, store: 'folder' })
  using device = deviceFolder(context, count)
  const ours = new LongshoreRounds(temp, device, receiver, count)
  const nginx = findNginx()
  await using nginxServer =
    nginx === undefined
      ? undefined
      : await Nginx.start({ nginx, config: nginxConfig, serverFile: receiver.tls.serverFile, temp })
  if (nginx === undefined) say('nginx is missing: no baseline. bench/install-peers.sh installs it.')
  const options = [...curlOptions, ...curlParallelMax, '--cacert', receiver.tls.caFile]
  const curl = nginxServer && new CurlRounds(temp, device, nginxServer, options, count)
  const contenders: Contender[] = [
    { name: 'longshore', run: () => ours.run() },
    ...(curl ? [{ name: 'curl to nginx', run: () => curl.run() }] : []),
  ]
  const series = await compare(contenders, context)
  // Apart from the others: what it removes would slow down who makes files on the same disk.
  const fromDisk = new LongshoreRounds(temp, temp, receiver, count)
  const backlog = await compare(
    [{ name: 'longshore, backlog on disk', run: () => fromDisk.run({ writtenOut: true }) }],
    context,
  )
  const bytesPerByte: Record<string, number> = {
    longshore: await onTheWire(receiver.port, count, (port) => ours.run({ port })),
  }
  if (curl && nginxServer) {
    const { port } = nginxServer.places
    bytesPerByte['curl to nginx'] = await onTheWire(port, count, (port) => curl.run(port))
  }
  if (context.profileDir !== undefined) await profile(context, count, context.profileDir)
  return findings(count, series, backlog, bytesPerByte)
}

function findings(
  count: number,
  series: readonly Series[],
  backlog: readonly Series[],
  bytesPerByte: Readonly<Record<string, number>>,
): Findings {
  const [ours, baseline] = series as [Series, Series | undefined]
  const ratio = baseline && ratioOf(baseline, ours)
  const all = [...series, ...backlog]
  const wire = Object.entries(bytesPerByte).map(([name, value]) => `${name} ${value.toFixed(3)}`)
  return {
    data: {
      files: count,
      bytes_per_file: bytesPerFile,
      series: all,
      times_as_fast_as_baseline: ratio,
      budget_ratio: budgetRatio,
      wire_bytes_per_byte: bytesPerByte,
    },
    tables: [
      speedTable(`${count} files of 4 KiB`, all, { count, unit: 'files' }),
      usageTable('What the processes used, medians', all),
    ],
    notes: [
      ratio === undefined
        ? 'no ratio: nginx is missing (bench/install-peers.sh installs it)'
        : `${spreadText(ratio, 2)} times as fast as curl to nginx, pair by pair; budget ${budgetRatio}`,
      `bytes on the wire per byte of payload: ${wire.join(', ')}`,
      'curl and nginx neither hash, nor sync, nor keep a catalog, nor remove the file at the device',
    ],
  }
}

/** Device and receiver are two computers: what one does to its disk is not the other's business. */
function deviceFolder({ temp, deviceDir }: BenchContext, count: number): TempFolder {
  if (deviceDir !== undefined) return TempFolder.make(deviceDir)
  return TempFolder.makeInMemory(2 * count * bytesPerFile, temp)
}

/** One more round, untimed, through a link that counts. */
async function onTheWire(
  toPort: number,
  count: number,
  round: (port: number) => Promise<unknown>,
): Promise<number> {
  await using link = await FaultyLink.open(toPort)
  await round(link.port)
  return (link.upBytes + link.downBytes) / (count * bytesPerFile)
}

/** Three more rounds, untimed, with a receiver of their own. */
async function profile(context: BenchContext, count: number, profileDir: string): Promise<void> {
  const dataFolder = context.temp.folder('profiled-receiver')
  await using receiver = await Receiver.start({
    ...context,
    dataFolder,
    store: 'folder',
    profileDir,
  })
  using device = deviceFolder(context, count)
  const rounds = new LongshoreRounds(context.temp, device, receiver, count)
  for (let round = 0; round < 3; round++) await rounds.run({ profileDir })
}
