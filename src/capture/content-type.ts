import type { BytePath } from '../base/byte-path.ts'
import type { CaptureHeader } from './capture-header.ts'

const unknownType = 'application/octet-stream'

/** What robots write. Viam's own names where it has one, then IANA's, then what is in use. */
const typeByExtension: ReadonlyMap<string, string> = new Map([
  ['bag', 'application/x-rosbag'],
  ['bmp', 'image/bmp'],
  ['bz2', 'application/x-bzip2'],
  ['csv', 'text/csv'],
  ['db', 'application/vnd.sqlite3'],
  ['db3', 'application/vnd.sqlite3'],
  ['dep', 'image/vnd.viam.dep'],
  ['flac', 'audio/flac'],
  ['geojson', 'application/geo+json'],
  ['gif', 'image/gif'],
  ['gpx', 'application/gpx+xml'],
  ['gz', 'application/gzip'],
  ['h264', 'video/h264'],
  ['h265', 'video/h265'],
  ['html', 'text/html'],
  ['jpeg', 'image/jpeg'],
  ['jpg', 'image/jpeg'],
  ['json', 'application/json'],
  ['jsonl', 'application/x-ndjson'],
  ['las', 'application/vnd.las'],
  ['laz', 'application/vnd.laszip'],
  ['log', 'text/plain'],
  ['mcap', 'application/x-mcap'],
  ['md', 'text/markdown'],
  ['mkv', 'video/matroska'],
  ['mov', 'video/quicktime'],
  ['mp3', 'audio/mpeg'],
  ['mp4', 'video/mp4'],
  ['ndjson', 'application/x-ndjson'],
  ['npy', 'application/x-npy'],
  ['npz', 'application/x-npz'],
  ['ogg', 'audio/ogg'],
  ['parquet', 'application/vnd.apache.parquet'],
  ['pcd', 'pointcloud/pcd'],
  ['pdf', 'application/pdf'],
  ['ply', 'application/x-ply'],
  ['png', 'image/png'],
  ['rgba', 'image/vnd.viam.rgba'],
  ['sqlite', 'application/vnd.sqlite3'],
  ['svo', 'application/x-svo'],
  ['svo2', 'application/x-svo'],
  ['tar', 'application/x-tar'],
  ['tif', 'image/tiff'],
  ['tiff', 'image/tiff'],
  ['ts', 'video/mp2t'],
  ['txt', 'text/plain'],
  ['wav', 'audio/wav'],
  ['webm', 'video/webm'],
  ['webp', 'image/webp'],
  ['xml', 'application/xml'],
  ['yaml', 'application/yaml'],
  ['yml', 'application/yaml'],
  ['zip', 'application/zip'],
  ['zst', 'application/zstd'],
])

/** RFC 6838 section 4.2: what may stand in a header field without quoting. */
const mediaType = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,63}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}$/

/**
 * The content type to announce for a file: a capture file's by what its header says of the payload,
 * any other's by the extension of its name, in either case. `application/octet-stream` when neither
 * tells. Always a bare `type/subtype` in lower case, whatever the file claims.
 *
 * @param name the file's name, or a path that ends in it
 */
export function contentTypeOf(name: BytePath, header?: CaptureHeader): string {
  if (header !== undefined) {
    const claimed = header.mimeType.toLowerCase()
    return mediaType.test(claimed) ? claimed : unknownType
  }
  const dot = name.lastIndexOf('.')
  // A leading dot hides a file, it does not begin an extension.
  if (dot <= name.lastIndexOf('/') + 1) return unknownType
  return typeByExtension.get(name.slice(dot + 1).toLowerCase()) ?? unknownType
}
