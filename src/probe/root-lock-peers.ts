import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { type BytePath, bytePathFromBytes } from '../base/byte-path.ts'
import { errnoOf } from '../base/errors.ts'

/** What a holder of a root lock says of itself, as one line of JSON with the root in base64. */
export interface HolderAnswer {
  readonly pid: number
  readonly root: BytePath
  /** `starting` while it has not yet made sure that it is the only one. */
  state: 'starting' | 'held'
}

/** One that listens on a root's name. Without an answer it is stuck, stopped, or not a Longshore. */
export interface Holder {
  /** Of the abstract socket, without the leading zero byte. */
  readonly name: string
  readonly answer: HolderAnswer | undefined
}

export interface OtherHoldersOptions {
  readonly procRoot: string
  readonly namespace: string
  /** Our own name, which is left out. */
  readonly name: string
  readonly askTimeoutMs: number
}

const askedAtOnce = 64

/** All others that hold a root, or undefined where the kernel's list of sockets is hidden. */
export async function otherHolders(options: OtherHoldersOptions): Promise<Holder[] | undefined> {
  const { procRoot, namespace, name, askTimeoutMs } = options
  let list: string
  try {
    list = readFileSync(`${procRoot}/net/unix`, 'latin1')
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return undefined
  }
  const others = listeningNames(list, namespace).filter((other) => other !== name)
  const holders: Holder[] = []
  for (let i = 0; i < others.length; i += askedAtOnce) {
    const asked = others.slice(i, i + askedAtOnce).map((other) => askHolder(other, askTimeoutMs))
    holders.push(...(await Promise.all(asked)).filter((holder) => holder !== 'gone'))
  }
  return holders
}

/** In flags: the socket accepts connections. Those it has accepted are listed under its name too. */
const acceptsConnections = 0x0001_0000

/** The names below `namespace` in the text of /proc/net/unix, where `@` stands for a zero byte. */
function listeningNames(list: string, namespace: string): string[] {
  const names = new Set<string>()
  for (const line of list.split('\n')) {
    const [, , , flags = '', , , , path = ''] = line.trim().split(/\s+/)
    const isOurs =
      path.startsWith(`@${namespace}/`) && /^\d+:\d+$/.test(path.slice(namespace.length + 2))
    if (isOurs && (Number.parseInt(flags, 16) & acceptsConnections) !== 0) names.add(path.slice(1))
  }
  return [...names]
}

const maxAnswerBytes = 16 * 1024

/** Asks who holds a name: `gone` when nobody does any more. Takes at most `timeoutMs`. */
export function askHolder(name: string, timeoutMs: number): Promise<Holder | 'gone'> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect(`\0${name}`)
    const finish = (result: Holder | 'gone') => {
      clearTimeout(timer)
      socket.destroy()
      resolve(result)
    }
    const timer = setTimeout(() => finish({ name, answer: undefined }), timeoutMs)
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (text.length > maxAnswerBytes) finish({ name, answer: undefined })
    })
    socket.on('end', () => finish({ name, answer: parseAnswer(text) }))
    socket.on('error', (error) => {
      const errno = errnoOf(error)
      const isGone = errno === 'ECONNREFUSED' || errno === 'ENOENT'
      finish(isGone ? 'gone' : { name, answer: undefined })
    })
  })
}

/** Anybody can listen on a name, so nothing in an answer is taken for granted. */
function parseAnswer(text: string): HolderAnswer | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { pid, root, state } = value as Record<string, unknown>
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid)) return undefined
  if (typeof root !== 'string' || (state !== 'starting' && state !== 'held')) return undefined
  const path = bytePathFromBytes(Buffer.from(root, 'base64'))
  return path.startsWith('/') ? { pid, root: path, state } : undefined
}
