import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { ensureCa } from '../../src/receiver/identity/ca.ts'
import { openDataFolder } from '../../src/receiver/identity/data-folder.ts'
import { MachineStore } from '../../src/receiver/identity/machine-store.ts'
import { ensureServerCertificate } from '../../src/receiver/identity/server-certificate.ts'
import { startReceiver } from '../../src/receiver/receiver.ts'
import { jsonLog } from '../../src/telemetry/log.ts'

/*
 * A receiver in a process of its own, so that its memory can be told from that of the senders. Takes
 * the memory that it may count on, in bytes, and how many machines to admit; says on stdout how to
 * reach it, and ends with its stdin.
 */
const [memoryBytes, machineCount] = process.argv.slice(2).map(Number) as [number, number]
const dataDir = mkdtempSync(join(tmpdir(), 'longshore-stalled-'))
const dataFolder = await openDataFolder(dataDir, { store: 'folder', create: true })
const { tlsFolder } = dataFolder
const ca = await ensureCa(tlsFolder)
const names = ['localhost']
const tls = await ensureServerCertificate({ tlsFolder, ca, names, nowMs: Date.now() })
const machines = await MachineStore.open(dataFolder.machinesFolder)
const authorizations: string[] = []
for (let count = 0; count < machineCount; count += 1) {
  const { secret } = await machines.add(`m${count}`)
  authorizations.push(`Basic ${Buffer.from(`m${count}:${secret}`).toString('base64')}`)
}
const receiver = await startReceiver({
  dataFolder,
  host: '127.0.0.1',
  port: 0,
  tls,
  minFreeShare: 0,
  memoryBytes,
  limits: { drainMs: 100 },
  log: jsonLog((line) => process.stderr.write(line)),
  clock: systemClock,
})
process.stdout.write(
  `${JSON.stringify({ port: receiver.port, caPem: ca.certPem, authorizations })}\n`,
)
process.stdin.resume()
process.stdin.once('end', async () => {
  await receiver.close()
  rmSync(dataDir, { recursive: true, force: true })
})
