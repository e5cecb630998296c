import type { TestReceiver } from '../support/test-receiver.ts'
import type { CloudBlock } from './machine-device.ts'

/** What the one machine that a test receiver admits is told of it. */
export function cloudOf(receiver: TestReceiver, address = receiver.address): CloudBlock {
  const [id, secret] = Buffer.from(receiver.authorization.slice('Basic '.length), 'base64')
    .toString('utf8')
    .split(':')
  return { app_address: address, id: id!, secret: secret!, ca_pem: receiver.caPem }
}
