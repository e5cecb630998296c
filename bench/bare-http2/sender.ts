import { createReadStream, readFileSync, statSync } from 'node:fs'
import { connect } from 'node:http2'
import { text } from 'node:stream/consumers'

/*
 * POSTs one file over node:http2 and TLS, and ends. No hash, no framing, no answer to keep.
 *
 * Arguments: URL, a PEM file with the CA, the file.
 */
const [url, caFile, file] = process.argv.slice(2) as [string, string, string]
const sizeBytes = statSync(file).size
const session = connect(url, { ca: readFileSync(caFile) })
const request = session.request({
  ':method': 'POST',
  ':path': '/',
  'content-length': String(sizeBytes),
})
createReadStream(file, { highWaterMark: 256 * 1024 }).pipe(request)
const arrivedBytes = Number(await text(request))
session.close()
if (arrivedBytes !== sizeBytes) throw new Error(`${arrivedBytes} of ${sizeBytes} bytes arrived`)
