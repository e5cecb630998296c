import { readFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'

/*
 * The other end of the bare sender: counts the bytes of a body, throws them away and answers with their
 * number. The least that a receiver over node:http2 can do.
 *
 * Argument: a PEM file with certificate and key.
 */
const windowBytes = 16 * 1024 * 1024

const pem = readFileSync(process.argv[2]!)
const server = createSecureServer({
  cert: pem,
  key: pem,
  minVersion: 'TLSv1.3',
  settings: { initialWindowSize: windowBytes },
})
server.on('session', (session) => session.setLocalWindowSize(windowBytes))
server.on('stream', (stream) => {
  let bytes = 0
  stream.on('data', (piece: Buffer) => {
    bytes += piece.length
  })
  stream.on('end', () => {
    stream.respond({ ':status': 200 })
    stream.end(String(bytes))
  })
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on ${(server.address() as AddressInfo).port}\n`)
})
