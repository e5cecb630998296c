import { createRequire } from 'node:module'
import type * as undici from 'undici'

/*
 * Loads the parts of undici that an upload needs: its HTTP client and one call. The package's front
 * door loads all of it (fetch, caches, mocks, web sockets) into every thread, which costs 6 MB more
 * per thread (docs/decisions/0003). The version is pinned exactly, and the tests of workers/ would
 * notice if a part were moved.
 */
const require = createRequire(import.meta.url)

export const Client: typeof undici.Client = require('undici/lib/dispatcher/client.js')

export const buildConnector: typeof undici.buildConnector = require('undici/lib/core/connect.js')

const apiRequest: (
  this: undici.Dispatcher,
  options: undici.Dispatcher.RequestOptions<null>,
) => Promise<undici.Dispatcher.ResponseData<null>> = require('undici/lib/api/api-request.js')

/** `client.request(options)`. */
export function request(
  client: undici.Client,
  options: undici.Dispatcher.RequestOptions<null>,
): Promise<undici.Dispatcher.ResponseData<null>> {
  return apiRequest.call(client, options)
}
