/** One line on a terminal that says what is being measured; without a terminal, nothing. */

export interface Progress {
  show(text: string): void;
  clear(): void;
}

export function createProgress(stream: NodeJS.WriteStream): Progress {
  const write = (text: string): void => {
    if (stream.isTTY) stream.write(`\r\u001b[K${text}`);
  };
  return { show: (text) => write(text.slice(0, Math.max(20, (stream.columns ?? 80) - 1))), clear: () => write('') };
}
