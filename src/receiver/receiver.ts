import type { Clock } from '../base/clock.ts'
import { errnoOf } from '../base/errors.ts'
import { errorFields, type Log } from '../telemetry/log.ts'
import { availableMemoryBytes } from './available-memory.ts'
import type { DataFolder } from './identity/data-folder.ts'
import { DataFolderLock } from './identity/data-folder-lock.ts'
import { onDataFolder } from './identity/folder-errors.ts'
import { MachineStore } from './identity/machine-store.ts'
import { GroupCommit } from './ingest/group-commit.ts'
import { Ingest } from './ingest/ingest.ts'
import { FinishedUploads } from './resume/finished-uploads.ts'
import { LargeMessages } from './resume/large-messages.ts'
import { ResumableUploads } from './resume/resumable-uploads.ts'
import { FreeSpace } from './server/free-space.ts'
import type { TlsFiles } from './server/http2-server.ts'
import { LimitedLog } from './server/limited-log.ts'
import { defaultLimits, type ServerLimits } from './server/limits.ts'
import { RequestServer } from './server/request-server.ts'
import type { RouteContext } from './server/routes.ts'
import { UploadRoutes } from './server/upload-routes.ts'
import type { Catalog } from './store/catalog.ts'
import { catalogError } from './store/catalog-errors.ts'
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
  /** @default defaultLimits */
  readonly limits?: Partial<ServerLimits>
  /** Of the computer, or as much of it as the receiver may have. @default what the system says */
  readonly memoryBytes?: number
  readonly log: Log
  readonly clock: Clock
}

export interface Receiver {
  readonly port: number
  /** The flow-control windows that all connections have been granted, together. */
  readonly grantedBytes: number
  /** New connections get this certificate from now on. */
  useCertificate(tls: TlsFiles): void
  /** Takes no new request, answers what is complete, gives up what is not after a while, and ends. */
  close(): Promise<void>
}

/** An upload that broke off and that nobody goes on with for so long is given up. */
const maxUploadAgeMs = 7 * 24 * 60 * 60_000

/** Of memory for each request that may be open at once; it costs a fifth of that, and what waits unread. */
const bytesPerRequest = 128 * 1024

/** More of it would only mean more uploads at once, each with open files and its turn of the disk. */
const maxIngestBytes = 1024 * 1024 * 1024

/**
 * Starts a receiver; it accepts connections when this resolves. The caller closes it.
 *
 * @throws LongshoreError `data_folder_in_use`, `data_folder_unusable`, `data_damaged`, `port_in_use`,
 *   `listen_refused`
 */
export async function startReceiver(options: ReceiverOptions): Promise<Receiver> {
  const { dataFolder, log, clock } = options
  const lock = DataFolderLock.take(dataFolder.path)
  const cleanUp: CleanUp[] = [() => lock.release()]
  try {
    const { segments, catalog } = await openStore(dataFolder, cleanUp)
    await recoverAndReport(dataFolder, segments, catalog, log)
    const machines = await MachineStore.open(dataFolder.machinesFolder, {
      onDamaged: (file, reason) => log.error('machine_file_damaged', `${file}: ${reason}`),
    })
    const memoryBytes = options.memoryBytes ?? availableMemoryBytes()
    const ingestBytes = Math.min(memoryBytes / 8, maxIngestBytes)
    const commit = new GroupCommit(segments, catalog)
    const limits = { ...defaultLimits, ...options.limits }
    const uploads = new ResumableUploads({
      segments,
      messages: new LargeMessages({
        segments,
        catalog,
        commit,
        onLeftOver: (error) =>
          log.warn('segment_left_over', 'a segment stays until the next start', errorFields(error)),
      }),
      finished: new FinishedUploads(catalog, segments),
      clock,
      log: new LimitedLog({
        log,
        burst: limits.logLines,
        everyMs: limits.logLineEveryMs,
        monotonicMs: () => clock.monotonicMs(),
      }),
      memoryBytes: ingestBytes,
      maxAgeMs: maxUploadAgeMs,
    })
    await onDataFolder(dataFolder.segmentsFolder, () => uploads.open())
    cleanUp.unshift(() => uploads.close())
    const freeSpace = new FreeSpace({
      folder: dataFolder.path,
      minFreeShare: options.minFreeShare,
      clock,
    })
    const context: RouteContext = {
      uploads: new UploadRoutes({
        ingest: new Ingest({
          catalog,
          commit,
          wallMs: () => clock.wallMs(),
          memoryBytes: ingestBytes,
        }),
        uploads,
        freeSpace,
        keepsBytes: dataFolder.store !== 'null',
        maxAgeMs: maxUploadAgeMs,
      }),
      freeSpace,
      storeKind: dataFolder.store,
      log,
    }
    const server = new RequestServer({
      ...options,
      limits,
      context,
      machines,
      windowLimitBytes: memoryBytes / 4,
      unreadLimitBytes: memoryBytes / 4,
      requestLimit: Math.floor(memoryBytes / bytesPerRequest),
      onDeadline: () => uploads.stopFollowing(),
    })
    await server.listen()
    cleanUp.unshift(
      () => server.close(),
      () => commit.drain(),
    )
    let closing: Promise<void> | undefined
    return {
      port: server.port,
      get grantedBytes() {
        return server.grantedBytes
      },
      useCertificate: (tls) => server.useCertificate(tls),
      close: () => {
        closing ??= runAll(cleanUp)
        return closing
      },
    }
  } catch (error) {
    await runAll(cleanUp)
    throw error
  }
}

type CleanUp = () => Promise<void> | void

/** Runs all of them, and throws the first error then. */
async function runAll(steps: readonly CleanUp[]): Promise<void> {
  const errors: unknown[] = []
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
}

async function openStore(
  dataFolder: DataFolder,
  cleanUp: CleanUp[],
): Promise<{ readonly segments: SegmentStore; readonly catalog: Catalog }> {
  if (dataFolder.store === 'null') return { segments: new NullSegmentStore(), catalog: nullCatalog }
  const catalog = SqliteCatalog.open(dataFolder.catalogFile, { readOnly: false })
  cleanUp.unshift(() => catalog.close())
  let lastUsedId = 0
  for (const id of catalog.segmentEnds().keys()) lastUsedId = Math.max(lastUsedId, id)
  const segments = await onDataFolder(dataFolder.segmentsFolder, () =>
    FolderSegmentStore.open(dataFolder.segmentsFolder, { lastUsedId, takeOver: true }),
  )
  cleanUp.unshift(() => segments.close())
  return { segments, catalog }
}

async function recoverAndReport(
  { catalogFile, segmentsFolder }: DataFolder,
  segments: SegmentStore,
  catalog: Catalog,
  log: Log,
): Promise<void> {
  const { enteredMessages, cutBytes, damaged } = await onDataFolder(segmentsFolder, () =>
    recover(segments, catalog).catch((error) => {
      throw errnoOf(error) === 'ERR_SQLITE_ERROR' ? catalogError(catalogFile, error) : error
    }),
  )
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
