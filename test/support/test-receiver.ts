import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { ensureCa } from '../../src/receiver/identity/ca.ts'
import { openDataFolder } from '../../src/receiver/identity/data-folder.ts'
import { MachineStore } from '../../src/receiver/identity/machine-store.ts'
import { ensureServerCertificate } from '../../src/receiver/identity/server-certificate.ts'
import { localNames } from '../../src/receiver/identity/server-names.ts'
import { type Receiver, type ReceiverOptions, startReceiver } from '../../src/receiver/receiver.ts'
import type { StoredFile } from '../../src/receiver/store/catalog.ts'
import { FolderSegmentStore } from '../../src/receiver/store/folder-segment-store.ts'
import { SqliteCatalog } from '../../src/receiver/store/sqlite-catalog.ts'
import { silentLog } from '../../src/telemetry/log.ts'

export interface TestReceiver {
  readonly dataDir: string
  readonly address: string
  readonly caPem: string
  /** The header field of the one machine that is admitted. */
  readonly authorization: string
  readonly receiver: Receiver
  /** What is stored, with the bytes of each file. */
  stored(): Promise<readonly (StoredFile & { readonly bytes: Buffer })[]>
  /** Ends it and removes its data. */
  close(): Promise<void>
}

/** A real receiver in this process, over TLS on loopback, with a data folder of its own. */
export async function startTestReceiver(
  options: Partial<Pick<ReceiverOptions, 'log' | 'minFreeShare' | 'limits' | 'clock'>> = {},
): Promise<TestReceiver> {
  const dataDir = await mkdtemp(join(tmpdir(), 'longshore-test-receiver-'))
  const dataFolder = await openDataFolder(dataDir, { store: 'folder', create: true })
  const { tlsFolder } = dataFolder
  const ca = await ensureCa(tlsFolder)
  const names = localNames()
  const tls = await ensureServerCertificate({ tlsFolder, ca, names, nowMs: Date.now() })
  const machines = await MachineStore.open(dataFolder.machinesFolder)
  const { secret } = await machines.add('robot')
  const receiver = await startReceiver({
    dataFolder,
    host: '127.0.0.1',
    port: 0,
    tls,
    minFreeShare: 0,
    log: silentLog,
    clock: systemClock,
    ...options,
  })
  return {
    dataDir,
    address: `https://localhost:${receiver.port}`,
    caPem: ca.certPem,
    authorization: `Basic ${Buffer.from(`robot:${secret}`).toString('base64')}`,
    receiver,
    stored: () => readStored(dataFolder.catalogFile, dataFolder.segmentsFolder),
    close: async () => {
      await receiver.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

async function readStored(
  catalogFile: string,
  segmentsFolder: string,
): Promise<readonly (StoredFile & { readonly bytes: Buffer })[]> {
  const catalog = SqliteCatalog.open(catalogFile, { readOnly: true })
  const segments = await FolderSegmentStore.open(segmentsFolder)
  try {
    const files: (StoredFile & { bytes: Buffer })[] = []
    for (const file of catalog.files()) {
      const bytes = await segments.read(file.segmentId, file.offset, file.sizeBytes)
      files.push({ ...file, bytes })
    }
    return files
  } finally {
    await segments.close()
    await catalog.close()
  }
}
