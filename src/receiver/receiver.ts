import { totalmem } from 'node:os'
import { constrainedMemory } from 'node:process'
import type { Clock } from '../base/clock.ts'
import { errorFields, type Log } from '../telemetry/log.ts'
import type { DataFolder } from './identity/data-folder.ts'
import { DataFolderLock } from './identity/data-folder-lock.ts'
import { MachineStore } from './identity/machine-store.ts'
import { Ingest } from './ingest/ingest.ts'
import { FreeSpace } from './server/free-space.ts'
import type { TlsFiles } from './server/http2-server.ts'
import { RequestServer } from './server/request-server.ts'
import type { RouteContext } from './server/routes.ts'
import type { Catalog } from './store/catalog.ts'
import { FolderSegmentStore } from './store/folder-segment-store.ts'
import { nullCatalog } from './store/null-catalog.ts'
import { NullSegmentStore } from './store/null-segment-store.ts'
import { recover } from './store/recovery.ts'
import type { SegmentStore } from './store/segment-store.ts'
import { SqliteCatalog } from './store/sqlite-catalog.ts'

export interface ReceiverOptions {
  /** Open, and of the store kind that was asked for. */
  readonly dataFolder: DataFolder
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  /** Undefined for cleartext HTTP/2; whoever starts it has made sure that is wanted. */
  readonly tls: TlsFiles | undefined
  /** Share of the file system that stays free, 0 to 1. */
  readonly minFreeShare: number
  readonly log: Log
  readonly clock: Clock
}

export interface Receiver {
  readonly port: number
  /** New connections get this certificate from now on. */
  useCertificate(tls: TlsFiles): void
  /** Takes no new request, answers what is complete, gives up what is not after a while, and ends. */
  close(): Promise<void>
}

/**
 * Starts a receiver; it accepts connections when this resolves. The caller closes it.
 *
 * @throws LongshoreError `data_folder_in_use`, `data_damaged`, `port_in_use`, `listen_refused`
 */
export async function startReceiver(options: ReceiverOptions): Promise<Receiver> {
  const { dataFolder, log, clock } = options
  const lock = DataFolderLock.take(dataFolder.path)
  const cleanUp: (() => Promise<void> | void)[] = [() => lock.release()]
  try {
    const { segments, catalog } = await openStore(dataFolder)
    cleanUp.unshift(
      () => segments.close(),
      () => catalog.close(),
    )
    await recoverAndReport(segments, catalog, log)
    const machines = await MachineStore.open(dataFolder.machinesFolder, {
      onDamaged: (file, reason) => log.error('machine_file_damaged', `${file}: ${reason}`),
    })
    const memoryBytes = constrainedMemory() || totalmem()
    const context: RouteContext = {
      ingest: new Ingest({
        segments,
        catalog,
        wallMs: () => clock.wallMs(),
        memoryBytes: memoryBytes / 8,
        onLeftOver: (error) =>
          log.warn('segment_left_over', 'could not remove a segment', errorFields(error)),
      }),
      freeSpace: new FreeSpace({
        folder: dataFolder.path,
        minFreeShare: options.minFreeShare,
        clock,
      }),
      storeKind: dataFolder.store,
      log,
    }
    const server = new RequestServer({
      ...options,
      context,
      machines,
      windowLimitBytes: memoryBytes / 4,
    })
    await server.listen()
    cleanUp.unshift(
      () => server.close(),
      () => context.ingest.drain(),
    )
    return {
      port: server.port,
      useCertificate: (tls) => server.useCertificate(tls),
      close: () => runAll(cleanUp),
    }
  } catch (error) {
    await runAll(cleanUp)
    throw error
  }
}

async function runAll(steps: readonly (() => Promise<void> | void)[]): Promise<void> {
  for (const step of steps) await step()
}

async function openStore(
  dataFolder: DataFolder,
): Promise<{ readonly segments: SegmentStore; readonly catalog: Catalog }> {
  if (dataFolder.store === 'null') return { segments: new NullSegmentStore(), catalog: nullCatalog }
  return {
    segments: await FolderSegmentStore.open(dataFolder.segmentsFolder),
    catalog: SqliteCatalog.open(dataFolder.catalogFile, { readOnly: false }),
  }
}

async function recoverAndReport(segments: SegmentStore, catalog: Catalog, log: Log): Promise<void> {
  const { enteredMessages, cutBytes, damaged } = await recover(segments, catalog)
  if (enteredMessages > 0 || cutBytes > 0) {
    log.info('recovered', 'brought the catalog up to date with the segments', {
      messages: enteredMessages,
      cut_bytes: cutBytes,
    })
  }
  for (const { segmentId, fromByte } of damaged) {
    log.error('segment_damaged', 'a segment cannot be read to its end; nothing of it was removed', {
      segment: segmentId,
      from_byte: fromByte,
    })
  }
}
