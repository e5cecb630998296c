type X509Library = typeof import('@peculiar/x509')

let loading: Promise<X509Library> | undefined

/**
 * The library that writes certificates; `node:crypto` only reads them. Loaded when one is to be made
 * and never otherwise: it takes 100 ms and 30 MB.
 */
export function loadX509Library(): Promise<X509Library> {
  loading ??= loadWithMetadata()
  return loading
}

async function loadWithMetadata(): Promise<X509Library> {
  // Its dependency container refuses to load without this.
  await import('reflect-metadata')
  return import('@peculiar/x509')
}
