import { type MessagePort, workerData } from 'node:worker_threads'
import {
  type PortMessage,
  packShardResult,
  type Shard,
  type ShardResult,
  stopMessage,
  unpackShard,
} from '../src/wire/thread-messages.ts'
import type { TransferFailure } from '../src/wire/transfer-failure.ts'
import type {
  ProbeTask,
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

/** A bundle that has not settled by then, once all are to stop, is given up with its connection. */
const settleAfterStopMs = 5000

async function run(task: WorkerTask): Promise<unknown> {
  try {
    return await (task.kind === 'probe' ? runProbe(task) : runUpload(task))
  } finally {
    task.port.close()
  }
}

function runProbe({ port }: ProbeTask): Promise<ReceiverDescription | TransferFailure> {
  listen(port, () => {})
  return probe(bundleLane)
}

/** What the main thread has to say to a task. */
function listen(port: MessagePort, onStop: () => void): void {
  port.on('message', (message: PortMessage) => {
    if (message === stopMessage) return onStop()
    for (const lane of [bundleLane, singleLane]) lane.dropLost(message.addresses)
  })
}

async function runUpload({ shard: frame, port }: UploadTask): Promise<Uint8Array> {
  const shard = unpackShard(frame)
  progress.start(shard.id, port)
  try {
    return packShardResult(await upload(shard, port))
  } finally {
    progress.end(shard.id)
  }
}

function upload(shard: Shard, port: MessagePort): Promise<ShardResult> {
  return shard.kind === 'bundle' ? runBundle(shard, port) : runSingle(shard, port)
}

async function runBundle(shard: Shard, port: MessagePort): Promise<ShardResult> {
  let deadline: NodeJS.Timeout | undefined
  listen(port, () => {
    deadline ??= setTimeout(
      () => void bundleLane.destroy(new Error('a bundle did not settle in time')),
      settleAfterStopMs,
    )
  })
  try {
    return await uploadBundle(shard, bundleLane, labeller, buffers)
  } finally {
    clearTimeout(deadline)
  }
}

function runSingle(shard: Shard, port: MessagePort): Promise<ShardResult> {
  const stopped = new AbortController()
  listen(port, () => stopped.abort())
  return uploadSingle(shard.files[0]!, singleTools, {
    onSent: (sizeBytes) => progress.sent(shard.id, sizeBytes),
    onBegin: (fromByte) => progress.begins(shard.id, fromByte),
    onStoppable: (stop) => {
      if (stopped.signal.aborted) stop()
      else stopped.signal.addEventListener('abort', stop)
    },
  })
}

// Piscina calls the default export of its file.
// biome-ignore lint/style/noDefaultExport: see above
export default run
