import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Background } from './background.ts'
import { freePort } from './free-port.ts'
import { childrenOf } from './proc.ts'
import type { TempFolder } from './temp-folder.ts'

const candidates = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/bin/nginx']
const upWithinMs = 10_000

/** Where nginx is, or undefined. */
export function findNginx(): string | undefined {
  return candidates.find((path) => existsSync(path))
}

export interface NginxOptions {
  readonly nginx: string
  /** nginx's configuration, given what stands in it. */
  readonly config: (places: NginxPlaces) => string
  readonly serverFile: string
  readonly temp: TempFolder
}

/** What differs from one run to the next. */
export interface NginxPlaces {
  readonly port: number
  readonly folder: string
  readonly root: string
  /** Certificate and key, PEM. */
  readonly serverFile: string
}

/** An nginx of our own: its own configuration, folders and port, on loopback. */
export class Nginx implements AsyncDisposable {
  readonly places: NginxPlaces
  readonly #server: Background

  private constructor(places: NginxPlaces, server: Background) {
    this.places = places
    this.#server = server
  }

  static async start({ nginx, config, serverFile, temp }: NginxOptions): Promise<Nginx> {
    const folder = temp.folder('nginx')
    const places = { port: await freePort(), folder, root: join(folder, 'root'), serverFile }
    mkdirSync(places.root)
    const configFile = join(folder, 'nginx.conf')
    writeFileSync(configFile, config(places))
    const args = ['-c', configFile, '-p', folder, '-e', join(folder, 'error.log')]
    const server = Background.startSilent(nginx, args)
    const started = new Nginx(places, server)
    try {
      await started.#isUp()
      return started
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Of the master and all workers. */
  get pids(): number[] {
    return [this.#server.pid, ...childrenOf(this.#server.pid)]
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]()
  }

  async #isUp(): Promise<void> {
    const deadline = performance.now() + upWithinMs
    while (!(await accepts(this.places.port))) {
      if (this.#server.hasEnded || performance.now() > deadline) {
        throw new Error(`nginx did not start:\n${this.#server.stderr}`)
      }
      await sleep(20)
    }
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
