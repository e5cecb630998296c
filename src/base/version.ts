import { readFileSync } from 'node:fs'

/** package.json stands beside src/ in a checkout and beside dist/ in the published package. */
function readVersion(): string {
  for (const up of ['../../package.json', '../../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8'))
      if (name === 'longshore') return version
    } catch {
      // Not at this distance: the other one is tried.
    }
  }
  throw new Error('package.json of longshore is missing')
}

export const version: string = readVersion()
