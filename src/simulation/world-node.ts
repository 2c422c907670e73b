/** A node of a world as tests use it. */
import type { Collection, CollectionOptions, StatemeshNode } from '../index.js';
import type { NodeProcess } from './node.js';

/** A node of a world. Operations on its collections run the world until they are done. */
export interface WorldNode {
  /** Its present NodeId; its name stays the same. */
  readonly nodeId: string;
  /** Its name in traces: its NodeId, with a count if it is a clone, as in `till(2)`. */
  readonly name: string;
  /** The address of its machine, as rules of the network name it. */
  readonly address: string;
  /** The name of its machine on the network: `cloud-1.world`, or its address if it is on a local network. */
  readonly hostName: string;
  readonly isUp: boolean;
  /** Why its last process did not start; undefined when it did. */
  readonly failure: unknown;
  /** The node as a program embeds it. Its promises settle only while the world runs. */
  readonly node: StatemeshNode;
  collection<T = unknown>(name: string, options?: CollectionOptions<T>): Collection<T>;
}

type Complete = <T>(promise: Promise<T>) => Promise<T>;

/** @param complete Runs the world until a promise settles */
export function handleOf(process: NodeProcess, complete: Complete): WorldNode {
  return {
    get nodeId() {
      return process.nodeId;
    },
    name: process.name,
    address: process.address,
    hostName: process.hostName,
    get isUp() {
      return process.isUp;
    },
    get failure() {
      return process.failure;
    },
    get node() {
      return process.node;
    },
    collection: (name, options) => awaiting(process.node.collection(name, options), complete),
  };
}

/** Members of a collection that return at once. Streams are left unchanged: they end when their reader says so. */
const immediate: readonly PropertyKey[] = ['changes', 'watch', 'name'];

/** A collection whose promises run the world. */
function awaiting<T>(collection: Collection<T>, complete: Complete): Collection<T> {
  return new Proxy(collection, {
    get: (target, property) => {
      const member = Reflect.get(target, property) as unknown;
      if (typeof member !== 'function' || immediate.includes(property)) return member;
      return (...args: unknown[]) => complete((member as (...args: unknown[]) => Promise<unknown>)(...args));
    },
  });
}
