/**
 * Loads protobufjs when the first frame is sent or received: loading takes some 40 ms, and a program may import the
 * package long before it meets a peer, or never meet one.
 *
 * Invariant: 64-bit fields are plain numbers. The decoder refuses those that are not safe integers.
 */
import { createRequire } from 'node:module';

type Protobufjs = typeof import('protobufjs');

const load = createRequire(import.meta.url);
let loaded: Protobufjs | undefined;

export function protobufjs(): Protobufjs {
  loaded ??= loadProtobufjs();
  return loaded;
}

function loadProtobufjs(): Protobufjs {
  const library = load('protobufjs') as Protobufjs;
  // Without Long, protobufjs reads 64-bit fields as numbers.
  library.util.Long = null as unknown as typeof library.util.Long;
  library.configure();
  return library;
}
