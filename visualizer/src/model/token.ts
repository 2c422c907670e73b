/**
 * The token in the address by which the page was opened. It admits everyone who has it, so it stays neither in the
 * address bar nor in the history; the tab keeps it for reloads.
 */
const name = 'token';

/** Takes the token out of the address. */
export function takeToken(): string {
  const given = new URLSearchParams(location.hash.slice(1)).get(name);
  if (given === null) return kept();
  history.replaceState(null, '', location.pathname);
  try {
    sessionStorage.setItem(name, given);
  } catch {
    // The browser stores nothing: after a reload the whole address is needed again.
  }
  return given;
}

function kept(): string {
  try {
    return sessionStorage.getItem(name) ?? '';
  } catch {
    return '';
  }
}
