/*
 * What curl 7.88.1 sends, byte for byte, recorded from it (`curl -F file=@a.jpg ...`). One char per byte.
 */

export interface RecordedRequest {
  readonly contentType: string
  readonly contentDisposition: string
  readonly body: Buffer
}

const form = (boundary: string, lines: readonly string[]): RecordedRequest => ({
  contentType: `multipart/form-data; boundary=${boundary}`,
  contentDisposition: '',
  body: Buffer.from(lines.join('\r\n'), 'latin1'),
})

/** `curl -F file=@a.jpg` */
export const curlOneFile = form('------------------------aad22d43a1377aa1', [
  '--------------------------aad22d43a1377aa1',
  'Content-Disposition: form-data; name="file"; filename="a.jpg"',
  'Content-Type: image/jpeg',
  '',
  'hello\n',
  '--------------------------aad22d43a1377aa1--',
  '',
])

/** `curl -F file=@a.jpg -F 'file=@b "q" \n% ü.txt' -F file=@empty.dat -F note=hi` */
export const curlThreeFiles = form('------------------------1d2e46f1411824b1', [
  '--------------------------1d2e46f1411824b1',
  'Content-Disposition: form-data; name="file"; filename="a.jpg"',
  'Content-Type: image/jpeg',
  '',
  'hello\n',
  '--------------------------1d2e46f1411824b1',
  'Content-Disposition: form-data; name="file"; filename="b %22q%22 \\n% \xc3\xbc.txt"',
  'Content-Type: text/plain',
  '',
  'x\0\r\n--y',
  '--------------------------1d2e46f1411824b1',
  'Content-Disposition: form-data; name="file"; filename="empty.dat"',
  'Content-Type: application/octet-stream',
  '',
  '',
  '--------------------------1d2e46f1411824b1',
  'Content-Disposition: form-data; name="note"',
  '',
  'hi',
  '--------------------------1d2e46f1411824b1--',
  '',
])

/** `curl --form-escape -F 'file=@b "q" \n% ü.txt'`, which is also what curl before 7.81 sends. */
export const curlEscaped = form('------------------------f9aa032299377b5f', [
  '--------------------------f9aa032299377b5f',
  'Content-Disposition: form-data; name="file"; filename="b \\"q\\" \\\\n% \xc3\xbc.txt"',
  'Content-Type: text/plain',
  '',
  'x\0\r\n--y',
  '--------------------------f9aa032299377b5f--',
  '',
])

/** `curl --data-binary @a.jpg -H 'Content-Disposition: attachment; filename="raw.jpg"'` */
export const curlRaw: RecordedRequest = {
  contentType: 'application/x-www-form-urlencoded',
  contentDisposition: 'attachment; filename="raw.jpg"',
  body: Buffer.from('hello\n'),
}

/** The path under which each file of the three is stored, one char per byte, and its content. */
export const threeFiles: readonly (readonly [path: string, type: string, content: string])[] = [
  ['/a.jpg', 'image/jpeg', 'hello\n'],
  ['/b "q" \\n% \xc3\xbc.txt', 'text/plain', 'x\0\r\n--y'],
  ['/empty.dat', 'application/octet-stream', ''],
]
