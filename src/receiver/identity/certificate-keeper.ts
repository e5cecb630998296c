import type { CertificateAuthority } from './ca.ts'
import { ensureServerCertificate, type ServerCertificate } from './server-certificate.ts'
import { localNames } from './server-names.ts'

export interface CertificateKeeperOptions {
  readonly tlsFolder: string
  readonly ca: CertificateAuthority
  /** Names beyond this computer's own, already checked by `parseExtraNames`. */
  readonly extraNames: readonly string[]
  /** Called with each certificate after the first, once it is stored: for `setSecureContext`. */
  readonly onRenewed: (certificate: ServerCertificate) => void
  /** The names of this computer now, asked at each check. Default: `localNames`. */
  readonly localNames?: () => readonly string[]
}

/**
 * Keeps the receiver's certificate good while it runs: laptops change networks and get new
 * addresses, receivers run for years. Has no timers; whoever owns it says when to look.
 */
export class CertificateKeeper {
  readonly #options: CertificateKeeperOptions
  #certificate: ServerCertificate
  #lastCheck: Promise<unknown> = Promise.resolve()

  private constructor(options: CertificateKeeperOptions, certificate: ServerCertificate) {
    this.#options = options
    this.#certificate = certificate
  }

  /** Has a good certificate when it resolves; `onRenewed` is not called for that one. */
  static async open(options: CertificateKeeperOptions, nowMs: number): Promise<CertificateKeeper> {
    return new CertificateKeeper(options, await certificateNow(options, nowMs))
  }

  /** The certificate to serve with. */
  get certificate(): ServerCertificate {
    return this.#certificate
  }

  /**
   * Makes a new certificate where this computer's names have changed or the life runs low, and hands
   * it to `onRenewed`. Calls wait for each other. One that fails, or whose `onRenewed` throws,
   * rejects and may be repeated; the old certificate stays in force.
   */
  check(nowMs: number): Promise<void> {
    const result = this.#lastCheck.then(() => this.#checkOnce(nowMs))
    this.#lastCheck = result.catch(() => undefined)
    return result
  }

  async #checkOnce(nowMs: number): Promise<void> {
    const certificate = await certificateNow(this.#options, nowMs)
    if (certificate.cert === this.#certificate.cert) return
    this.#options.onRenewed(certificate)
    this.#certificate = certificate
  }
}

function certificateNow(
  options: CertificateKeeperOptions,
  nowMs: number,
): Promise<ServerCertificate> {
  const { tlsFolder, ca, extraNames } = options
  const names = [...(options.localNames ?? localNames)(), ...extraNames]
  return ensureServerCertificate({ tlsFolder, ca, names, nowMs })
}
