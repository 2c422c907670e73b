/** Downloads a file to the user. */
export function download(name: string, content: string | Blob, type = 'text/plain'): void {
  const url = URL.createObjectURL(typeof content === 'string' ? new Blob([content], { type }) : content);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser needs time to start the download.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
