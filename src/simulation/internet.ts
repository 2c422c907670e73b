/**
 * The public part of a world: cloud machines and authorities, with their addresses, names and certificates. Every
 * machine on a local network can reach it. One authority signs all certificates, and all nodes of the world trust it by
 * default.
 */
import type { ServerCertificate } from '../ports/ports.js';
import { Authority, type AuthorityOptions, type AuthoritySurroundings } from './authority.js';
import { authorityText, issue } from './network/certificates.js';

/** A public machine. */
export interface PublicPlace {
  readonly address: string;
  /** In lower case, as host names are compared. */
  readonly hostName: string;
  /** Issued for its name and its address. */
  readonly certificate: ServerCertificate;
}

/** The top-level domain of worlds. */
const domain = 'world';

export class Internet {
  /** The authority that signs the certificates here. */
  readonly ca = authorityText(domain);
  readonly authorities: Authority[] = [];
  readonly #around: Omit<AuthoritySurroundings, 'address' | 'certificate'>;
  readonly #places = new Map<string, PublicPlace>();

  constructor(around: Omit<AuthoritySurroundings, 'address' | 'certificate'>) {
    this.#around = around;
  }

  /** @throws Error when the host name is already in use */
  authority(options: AuthorityOptions = {}): Authority {
    const { hostname } = new URL(options.issuer ?? 'https://authority.world');
    const authority = new Authority(options, { ...this.#around, ...this.#place(hostname) });
    this.authorities.push(authority);
    return authority;
  }

  /** The place of a cloud machine: `cloud-1.world`. */
  cloud(name: string): PublicPlace {
    return this.#place(`${name}.${domain}`);
  }

  /** The authority at an address. */
  authorityAt(address: string): Authority | undefined {
    return this.authorities.find((authority) => authority.address === address);
  }

  #place(name: string): PublicPlace {
    const hostName = name.toLowerCase();
    if (this.#places.has(hostName)) throw new Error(`This world already has a machine named ${hostName}.`);
    const number = this.#places.size + 1;
    // TEST-NET-3 (RFC 5737), and beyond it in a world that is that large.
    const address = `203.0.${113 + (number >> 8)}.${number & 255}`;
    const place = { address, hostName, certificate: issue(this.ca, [hostName, address]) };
    this.#places.set(hostName, place);
    this.#around.hub.publish(address, hostName);
    return place;
  }
}
