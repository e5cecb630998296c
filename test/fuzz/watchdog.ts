import { Worker } from 'node:worker_threads'

/** Looks from a thread of its own, since a reader that never returns stops every timer of this one. */
const code = `
const { workerData: { shared, ms }, parentPort } = require('node:worker_threads')
const input = new BigInt64Array(shared)
let last = -1n, sinceMs = Date.now()
parentPort.once('message', () => { clearInterval(timer); parentPort.close() })
const timer = setInterval(() => {
  const now = Atomics.load(input, 0)
  if (now !== last) { last = now; sinceMs = Date.now() }
  else if (Date.now() - sinceMs > ms) {
    require('node:fs').writeSync(2, 'input ' + now + ' takes more than ' + ms + ' ms: it hangs\\n')
    process.kill(process.pid, 'SIGKILL')
  }
}, 500)
`

/** Ends the process, with the number of the input, when one takes too long. */
export class Watchdog {
  readonly #input = new BigInt64Array(new SharedArrayBuffer(8))
  readonly #worker: Worker

  constructor(ms: number) {
    this.#worker = new Worker(code, { eval: true, workerData: { shared: this.#input.buffer, ms } })
  }

  /** A further input begins. */
  alive(index: number): void {
    Atomics.store(this.#input, 0, BigInt(index))
  }

  async stop(): Promise<void> {
    this.#worker.postMessage('stop')
    await this.#worker.terminate()
  }
}
