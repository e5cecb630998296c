/** The module that Piscina loads in each thread: TypeScript in a checkout, JavaScript when published. */
export const workerEntryUrl: URL = new URL(
  import.meta.url.endsWith('.ts') ? './entry.ts' : './entry.js',
  import.meta.url,
)
