import { MemorySegmentStore } from '../support/memory-segment-store.ts'
import { testsOfKeepingStore } from './segment-store-conformance.ts'

testsOfKeepingStore({
  name: 'The store in memory that tests use',
  open: async () => new MemorySegmentStore(),
})
