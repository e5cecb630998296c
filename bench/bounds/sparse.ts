import { closeSync, existsSync, ftruncateSync, futimesSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DeviceAndReceiver } from './device-and-receiver.ts'
import { growthBounds, growthOf, growthTable } from './growth.ts'
import { pause } from './pause.ts'
import type { BoundsContext, BoundsFindings, BoundsQuestion } from './question.ts'
import { loadText, type Sample, Watch } from './watch.ts'

/** Does memory stay flat while one very large file goes, and while it goes on after a break? */
export const sparse: BoundsQuestion = {
  name: 'sparse',
  asks: 'one sparse file of 20 GiB to a receiver that stores nothing: does memory stay flat',
  deviceBytes: () => 100e6,
  run,
}

const ageSeconds = 3600
const sampleEverySeconds = 1
/** Of its life: a process that has just started grows for a while, by heap, windows and buffers. */
const settlesIn = 0.25
/** Along a line fitted to its life after that. Gigabytes went through it meanwhile. */
const mayGrow = { rssMb: 16, descriptors: 3, threads: 2 }
const mayHoldMb = 160
/** Of its size, for framing, TLS, and what goes twice for a break in the middle. */
const mayGoBeyond = 0.01
const slowestBytesPerSecond = 20e6

async function run(context: BoundsContext): Promise<BoundsFindings> {
  const { device, temp, longshore, gib, say } = context
  const sizeBytes = gib * 2 ** 30
  const logDir = device.folder('logs')
  const path = join(logDir, 'map.bin')
  makeSparse(path, sizeBytes)
  await using pair = await DeviceAndReceiver.open({
    name: 'sparse',
    longshore,
    folder: temp.folder('pair'),
    captureDir: device.folder('capture'),
    additionalSyncPaths: [logDir],
    store: 'null',
  })
  const { link, daemon } = pair
  const startedAtMs = performance.now()
  const deadlineMs = startedAtMs + (2 * sizeBytes * 1000) / slowestBytesPerSecond
  const until = async (isSo: () => boolean) => {
    while (!isSo()) {
      if (performance.now() > deadlineMs) throw new Error(`only ${link.upBytes} bytes went`)
      await pause(20)
    }
  }
  using daemonWatch = new Watch('daemon', () => daemon.pid, sampleEverySeconds)
  using receiverWatch = new Watch('receiver', () => pair.receiver.pid, sampleEverySeconds)
  await daemon.start()
  await until(() => link.upBytes > sizeBytes / 2)
  const sentBefore = link.upBytes
  say(`${sentBefore} bytes went; the daemon is killed`)
  await daemon.kill()
  const killedAtMs = performance.now()
  await daemon.start()
  await until(() => link.upBytes > sentBefore + 2 ** 20)
  const resumedAfterSeconds = (performance.now() - killedAtMs) / 1000
  say(`goes on after ${resumedAfterSeconds.toFixed(1)} s`)
  await until(() => !existsSync(path))
  const seconds = (performance.now() - startedAtMs) / 1000
  for (const watch of [daemonWatch, receiverWatch]) watch.end()
  await pair.terminate()
  const beyond = (link.upBytes - sizeBytes) / sizeBytes
  const lives = [...livesOf(daemonWatch), ...livesOf(receiverWatch)]
  const growths = lives.map(({ name, samples }) => growthOf(name, samples))
  return {
    data: {
      size_bytes: sizeBytes,
      seconds,
      bytes_per_second: sizeBytes / seconds,
      up_bytes: link.upBytes,
      up_bytes_before_the_kill: sentBefore,
      resumed_after_seconds: resumedAfterSeconds,
      growths,
      samples: { daemon: daemonWatch.samples, receiver: receiverWatch.samples },
    },
    tables: [
      {
        title: `One sparse file of ${gib} GiB`,
        rows: [
          ['', ''],
          ['seconds in all', seconds.toFixed(0)],
          ['MB/s, the break included', (sizeBytes / seconds / 1e6).toFixed(0)],
          ['MB sent before the daemon was killed', (sentBefore / 1e6).toFixed(0)],
          ['s until it went on', resumedAfterSeconds.toFixed(1)],
          ['MB sent beyond the size of the file', ((link.upBytes - sizeBytes) / 1e6).toFixed(0)],
          ['load average of the machine', loadText(daemonWatch)],
        ],
      },
      growthTable(
        'Without the first quarter of each life, with the slope of a fitted line',
        growths,
      ),
    ],
    notes: ['the bytes pass through a proxy of this process, which counts them and takes CPU'],
    bounds: [
      ...growths.flatMap((growth) => growthBounds(growth, mayGrow)),
      ...growths.slice(0, -1).map((growth) => ({
        what: `${growth.name}: most memory`,
        unit: 'MB',
        found: growth.rssMb.max,
        limit: mayHoldMb,
      })),
      { what: 'sent beyond its size', unit: '%', found: 100 * beyond, limit: 100 * mayGoBeyond },
    ],
  }
}

function makeSparse(path: string, sizeBytes: number): void {
  const fd = openSync(path, 'wx')
  try {
    ftruncateSync(fd, sizeBytes)
    const atSeconds = Date.now() / 1000 - ageSeconds
    futimesSync(fd, atSeconds, atSeconds)
  } finally {
    closeSync(fd)
  }
}

interface Life {
  readonly name: string
  readonly samples: readonly Sample[]
}

/** What was seen of each process behind a name, once it had settled. */
function livesOf({ name, samples }: Watch): Life[] {
  const byPid = Map.groupBy(samples, ({ pid }) => pid)
  return [...byPid.values()].map((all, index) => ({
    name: byPid.size === 1 ? name : `${name} ${index + 1}`,
    samples: all.slice(Math.floor(all.length * settlesIn)),
  }))
}
