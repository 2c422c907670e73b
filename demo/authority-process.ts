/**
 * The authority as a process of its own: options as JSON in the environment, its URL as JSON on standard output when it
 * runs.
 */
import { type AuthorityOptions, startAuthority } from './authority.js';

const { url } = await startAuthority(JSON.parse(process.env.AUTHORITY_OPTIONS ?? '{}') as AuthorityOptions);
process.stdout.write(`${JSON.stringify({ url })}\n`);
process.on('SIGTERM', () => process.exit(0));
