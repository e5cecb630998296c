import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { LongshoreError } from '../../../src/base/errors.ts'
import { openDataFolder } from '../../../src/receiver/identity/data-folder.ts'
import { buildMessage } from '../../support/message.ts'
import { frameTypes, RawHttp2 } from '../support/raw-http2.ts'
import { answerOf, ask, startRunning, until, upload, uploadHeaders } from '../support/receiver.ts'

const message = buildMessage([{ path: '/a', bytes: Buffer.alloc(50_000, 'a') }])

test('A receiver that is told to end answers what is under way and gets complete, and ends.', async (t) => {
  const running = await startRunning(t, { limits: { drainMs: 10_000 } })
  const session = running.connect()
  const half = session.request(uploadHeaders(running.robot, message))
  const answer = answerOf(half)
  half.write(message.body.subarray(0, 20_000))
  await new Promise((resolve) => setTimeout(resolve, 20))
  let isClosed = false
  const closed = running.receiver.close().then(() => {
    isClosed = true
  })
  await until(() => session.closed)
  assert.equal(isClosed, false)
  half.end(message.body.subarray(20_000))
  assert.equal((await answer)?.status, 200)
  await closed
  assert.equal((await running.stored()).length, 1)
  // The folder is free for the next receiver.
  await (await startRunning(t, { dataDir: running.dataDir })).receiver.close()
})

test('invariant 6: what does not get complete in time is broken off; of a large upload what arrived stays.', async (t) => {
  const running = await startRunning(t, { limits: { drainMs: 40 } })
  const large = buildMessage([{ path: '/l', bytes: Buffer.alloc(2_000_000) }])
  const session = running.connect()
  const streams = [
    session.request(uploadHeaders(running.robot, message)),
    session.request({ ...uploadHeaders(running.robot, large), 'upload-complete': '?1' }),
  ]
  const answers = streams.map(answerOf)
  streams[0]!.write(message.body.subarray(0, 10_000))
  streams[1]!.write(large.body.subarray(0, 10_000))
  const parts = () => filesIn(running.dataDir, /\.part$/)
  await until(async () => (await parts()).length === 1)
  await new Promise((resolve) => setTimeout(resolve, 20))
  await running.receiver.close()
  assert.deepEqual(await Promise.all(answers), [undefined, undefined])
  assert.deepEqual(await running.segments(), [])
  const again = await startRunning(t, { dataDir: running.dataDir })
  const path = `/v1/uploads/${large.uploadId}`
  const headers = { ':method': 'HEAD', ':path': path, authorization: running.robot }
  const answer = await ask(again.connect(), headers)
  assert.equal(answer.headers['upload-offset'], '10000')
  assert.equal((await parts()).length, 1)
})

test('Connections without a request, a handshake or an end do not keep a receiver from ending.', async (t) => {
  const running = await startRunning(t, { limits: { drainMs: 40 } })
  const silent = connectTcp(running.port, 'localhost')
  t.after(() => silent.destroy())
  await once(silent, 'connect')
  const idle = running.connect()
  assert.equal((await upload(idle, running.robot, message)).status, 200)
  // Reads nothing and closes nothing.
  const deaf = await RawHttp2.connect(t, running.port, running.caPem)
  deaf.acknowledgeSettings()
  await until(() => deaf.received(frameTypes.settings).length > 0)
  deaf.socket.pause()
  await running.receiver.close()
  await until(() => idle.destroyed)
})

test('Nobody can connect once a receiver has ended, and ending it again is harmless.', async (t) => {
  const running = await startRunning(t)
  const closing = running.receiver.close()
  assert.equal(running.receiver.close(), closing)
  await closing
  const socket = connectTcp(running.port, 'localhost')
  await assert.rejects(once(socket, 'connect'), { code: 'ECONNREFUSED' })
})

test('Two receivers on one data folder, or on one port, are refused, and the first goes on.', async (t) => {
  const running = await startRunning(t)
  const isCoded = (code: string) => (error: unknown) =>
    error instanceof LongshoreError && error.code === code
  await assert.rejects(startRunning(t, { dataDir: running.dataDir }), isCoded('data_folder_in_use'))
  const { startReceiver } = await import('../../../src/receiver/receiver.ts')
  const { systemClock } = await import('../../../src/base/clock.ts')
  const { silentLog } = await import('../../../src/telemetry/log.ts')
  const { temporaryFolder } = await import('../support/stores.ts')
  const dataFolder = await openDataFolder(await temporaryFolder(t), {
    store: 'folder',
    create: true,
  })
  const common = { dataFolder, tls: undefined, minFreeShare: 0, log: silentLog, clock: systemClock }
  await assert.rejects(
    startReceiver({ ...common, host: '127.0.0.1', port: running.port }),
    isCoded('port_in_use'),
  )
  await assert.rejects(
    startReceiver({ ...common, host: '192.0.2.1', port: 0 }),
    isCoded('listen_refused'),
  )
  // What the failed ones had opened is closed again: the folder can be used.
  const third = await startReceiver({ ...common, host: '127.0.0.1', port: 0 })
  await third.close()
  assert.equal((await upload(running.connect(), running.robot, message)).status, 200)
})

async function filesIn(dataDir: string, pattern: RegExp): Promise<string[]> {
  return (await readdir(join(dataDir, 'segments'))).filter((name) => pattern.test(name))
}
