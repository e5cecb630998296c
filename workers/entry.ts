import { type MessagePort, workerData } from 'node:worker_threads'
import {
  packShardResult,
  type Shard,
  type ShardResult,
  stopMessage,
  unpackShard,
} from '../src/wire/thread-messages.ts'
import type { TransferFailure } from '../src/wire/transfer-failure.ts'
import type {
  ReceiverDescription,
  UploadTask,
  WorkerData,
  WorkerTask,
} from '../src/wire/worker-data.ts'
import { BundleBuffers } from './bundle-buffers.ts'
import { Labeller } from './labels.ts'
import { Lane } from './lane.ts'
import { probe } from './probe.ts'
import { ProgressReporter } from './progress-reporter.ts'
import { UnfinishedUploads } from './unfinished-uploads.ts'
import { uploadBundle } from './upload-bundle.ts'
import { uploadSingle } from './upload-single.ts'

/** One thread: its connections, and what its uploads share. */
const data = workerData as WorkerData
const labeller = new Labeller(data.tags)
const buffers = new BundleBuffers()
const progress = new ProgressReporter(data.progressEveryMs)
/** Bundles and large files have a connection each: a large file's bytes would queue before a bundle. */
const bundleLane = new Lane(data)
const singleLane = new Lane(data)
const singleTools = { lane: singleLane, labeller, unfinished: new UnfinishedUploads() }

async function run(task: WorkerTask): Promise<unknown> {
  return task.kind === 'probe' ? runProbe() : runUpload(task)
}

function runProbe(): Promise<ReceiverDescription | TransferFailure> {
  return probe(bundleLane)
}

async function runUpload({ shard: frame, port }: UploadTask): Promise<Uint8Array> {
  const shard = unpackShard(frame)
  progress.start(shard.id, port)
  try {
    return packShardResult(await upload(shard, port))
  } finally {
    progress.end(shard.id)
    port.close()
  }
}

function upload(shard: Shard, port: MessagePort): Promise<ShardResult> {
  if (shard.kind === 'bundle') return uploadBundle(shard, bundleLane, labeller, buffers)
  return uploadSingle(shard.files[0]!, singleTools, {
    onSent: (sizeBytes) => progress.sent(shard.id, sizeBytes),
    onStoppable: (stop) => {
      port.on('message', (message) => {
        if (message === stopMessage) stop()
      })
    },
  })
}

// Piscina calls the default export of its file.
// biome-ignore lint/style/noDefaultExport: see above
export default run
