import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LongshoreError } from '../../../src/base/errors.ts'
import {
  deviceConfigFor,
  parseReceiverAddress,
} from '../../../src/receiver/identity/device-config.ts'
import { parseMachineId } from '../../../src/receiver/identity/machine-id.ts'
import { coded } from './support.ts'

const id = parseMachineId('machine-1')

test('The device gets a whole config file with the address in normal form.', () => {
  const config = deviceConfigFor({
    id,
    secret: 's',
    address: 'HTTPS://Receiver.Example:8443/',
    caPem: 'PEM\n',
  })
  assert.deepEqual(JSON.parse(JSON.stringify(config)), {
    cloud: {
      app_address: 'https://receiver.example:8443',
      id: 'machine-1',
      secret: 's',
      ca_pem: 'PEM\n',
    },
    components: [],
    services: [
      {
        name: 'data_manager',
        type: 'data_manager',
        attributes: {
          capture_dir: '',
          additional_sync_paths: [],
          sync_interval_mins: 0.1,
          tags: [],
        },
      },
    ],
  })
})

test('Without a CA of its own the receiver is trusted by the system, and the key is left out.', () => {
  const { cloud } = deviceConfigFor({ id, secret: 's', address: 'https://a', caPem: undefined })
  assert.deepEqual(cloud, { app_address: 'https://a', id: 'machine-1', secret: 's' })
})

test('An address is an https origin, or http on loopback.', () => {
  const good: [string, string, string][] = [
    ['https://pi.local:8443', 'https://pi.local:8443', 'pi.local'],
    ['https://pi.local:443/', 'https://pi.local', 'pi.local'],
    ['https://[2001:db8::1]:8443', 'https://[2001:db8::1]:8443', '2001:db8::1'],
    ['http://localhost:80', 'http://localhost', 'localhost'],
    ['http://127.1.2.3:8080', 'http://127.1.2.3:8080', '127.1.2.3'],
    ['http://[::1]:8080', 'http://[::1]:8080', '::1'],
  ]
  for (const [text, origin, host] of good) {
    assert.deepEqual(parseReceiverAddress(text), { origin, host })
  }
})

test('Other addresses are refused.', () => {
  const wrong = [
    '',
    'pi.local',
    'pi.local:8443',
    '//pi.local',
    'https:pi.local',
    'https://',
    'https://pi.local:99999',
    'https://pi.local/v1',
    'https://pi.local/?a',
    'https://pi.local/#a',
    'https://0.0.0.0:8443',
    'https://[::]:8443',
    'https://[fe80::1%eth0]:8443',
    'http://pi.local:8080',
    'http://192.168.1.2',
    'http://localhost.example',
    'http://127.example',
    'ftp://localhost',
    'unix:///run/x',
  ]
  for (const text of wrong) {
    assert.throws(() => parseReceiverAddress(text), coded('address_invalid'), text)
  }
})

test('The message never shows a password from the address, nor drives the terminal.', () => {
  for (const text of [
    'https://me:hunter2@pi.local',
    'me:hunter2@pi.local',
    'https://me:hun/ter2@x',
    'https://hunter2@pi.local:99999',
  ]) {
    assert.throws(
      () => parseReceiverAddress(text),
      (error: LongshoreError) => {
        coded('address_invalid')(error)
        assert.doesNotMatch(error.message + error.hint, /hun|ter2/)
        return true
      },
      text,
    )
  }
  assert.throws(() => parseReceiverAddress('\u001b[2J'), coded('address_invalid', /\\x1b/))
})
