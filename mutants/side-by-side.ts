/**
 * Runs jobs in the order of the list, several at a time.
 *
 * @returns The results in that order
 * @throws the error of the first job that fails
 */
export async function sideBySide<Job, Result>(
  jobs: readonly Job[],
  atATime: number,
  run: (job: Job) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const waiting = jobs.entries();
  // All workers take the next job from the one iterator.
  const work = async (): Promise<void> => {
    for (const [index, job] of waiting) results[index] = await run(job);
  };
  await Promise.all(Array.from({ length: atATime }, work));
  return results;
}
