import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { DataFolderLock } from '../../../src/receiver/identity/data-folder-lock.ts'
import { coded, moduleUrl, startProcess, temporaryFolder } from './support.ts'

/** Holds the lock without keeping the object: a collected one must not let it go. */
async function startHolder(t: TestContext, folder: string): Promise<ChildProcess> {
  const child = startProcess(
    t,
    `const { DataFolderLock } = await import('${moduleUrl('data-folder-lock.ts')}')
     DataFolderLock.take(${JSON.stringify(folder)})
     const { setFlagsFromString } = await import('node:v8')
     setFlagsFromString('--expose-gc')
     ;(await import('node:vm')).runInNewContext('gc')()
     console.log('locked')
     setInterval(() => {}, 1000)`,
  )
  const [output] = await once(child.stdout!, 'data')
  assert.equal(String(output), 'locked\n')
  return child
}

test('A folder that another process holds is refused with that process and the folder.', async (t) => {
  const folder = await temporaryFolder(t)
  const holder = await startHolder(t, folder)
  assert.throws(
    () => DataFolderLock.take(folder),
    coded(
      'data_folder_in_use',
      new RegExp(folder),
      new RegExp(`process ${holder.pid} on ${hostname()}`),
      /may be stale/,
    ),
  )
})

test('The lock ends with its process, even by SIGKILL.', async (t) => {
  const folder = await temporaryFolder(t)
  const holder = await startHolder(t, folder)
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  const lock = DataFolderLock.take(folder)
  t.after(() => lock.release())
  assert.throws(
    () => DataFolderLock.take(folder),
    coded('data_folder_in_use', new RegExp(`process ${process.pid} `)),
  )
})

test('One process cannot take a folder twice, and trying does not lose the lock to others.', async (t) => {
  const folder = await temporaryFolder(t)
  const lock = DataFolderLock.take(folder)
  t.after(() => lock.release())
  assert.throws(() => DataFolderLock.take(folder), coded('data_folder_in_use'))

  const other = startProcess(
    t,
    `const { DataFolderLock } = await import('${moduleUrl('data-folder-lock.ts')}')
     try { DataFolderLock.take(${JSON.stringify(folder)}) } catch (error) { console.log(error.code) }`,
  )
  const [output] = await once(other.stdout!, 'data')
  assert.equal(String(output), 'data_folder_in_use\n')
})

test('A released lock can be taken again, and releasing twice does nothing.', async (t) => {
  const folder = await temporaryFolder(t)
  const first = DataFolderLock.take(folder)
  first.release()
  const second = DataFolderLock.take(folder)
  first.release()
  assert.throws(() => DataFolderLock.take(folder), coded('data_folder_in_use'))
  second.release()
  assert.deepEqual(await readdir(folder), ['receiver.lock'])
})

test('Without a note beside it, the lock still holds and says less.', async (t) => {
  const folder = await temporaryFolder(t)
  const lock = DataFolderLock.take(folder)
  t.after(() => lock.release())
  await writeFile(join(folder, 'receiver.pid'), 'rm -rf /\u001b[2J\n')
  assert.throws(() => DataFolderLock.take(folder), coded('data_folder_in_use', /^[ -'*-~]*\.$/))
})

test('A lock file that cannot be one is an error of the folder, not of use.', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(
    join(folder, 'receiver.lock'),
    'not a database, but long enough to be read as one',
  )
  assert.throws(() => DataFolderLock.take(folder), coded('data_folder_unusable', /receiver\.lock/))
  const other = await temporaryFolder(t)
  await mkdir(join(other, 'receiver.pid'))
  assert.throws(() => DataFolderLock.take(other), coded('data_folder_unusable'))
  assert.throws(() => DataFolderLock.take(other), coded('data_folder_unusable'))
})
